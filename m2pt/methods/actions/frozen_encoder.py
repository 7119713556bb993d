"""What `m2pt.methods.frozen_encoder` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def freeze_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, and freeze them."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
    model.blocks.requires_grad_(False)
