"""What `m2pt.methods.frozen_pretrained_transformer` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.layers import LayerNorm
from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def freeze_all_but_norms(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, and freeze its attention and feed-forward layers."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
    norms = {id(weight) for part in model.blocks.modules() if isinstance(part, LayerNorm) for weight in part.parameters()}
    pretrained = {name for name, _ in auxiliary.blocks.named_parameters()}
    for name, parameter in model.blocks.named_parameters():
        parameter.requires_grad_(id(parameter) in norms or name not in pretrained)
