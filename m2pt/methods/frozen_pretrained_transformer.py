"""Rival: the auxiliary's blocks in the target model, frozen but for their layer norms.

Source: *Pretrained Transformers as Universal Computation Engines* (arXiv 2103.05247, section 2.2): self-attention and
feed-forward layers of a transformer of another modality stay as they are; input layer, position embeddings, layer norms and
output layer are trained. Here the tokenizer is the input layer (in the shared form its position code is fixed), and the norms of
the blocks start as the auxiliary's. What fine-tuning adds to blocks (`finetune.blocks`) is new and belongs to no
pretrained encoder, so it is trained too. The tokenizer starts as the target's setting says, which for `scratch` is the paper's
fresh input layer.
"""

from collections.abc import Sequence

from m2pt.layers import LayerNorm
from m2pt.methods._declaration import Method
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


METHOD = Method(
    kind="rival",
    takes="each",
    description="the auxiliary, frozen but for its layer norms, between the target's tokenizer and head (FPT)",
    rank=155,
    apply=freeze_all_but_norms,
    tunings=("full",),
)
