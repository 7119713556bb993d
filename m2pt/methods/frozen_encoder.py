"""Rival: the auxiliary's frozen blocks between the target's tokenizer and head.

Source: *Meta-Transformer* (arXiv 2307.10802, section 3): one frozen encoder serves all modalities; a tokenizer and a head are
trained.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def freeze_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's, and freeze them."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
    model.blocks.requires_grad_(False)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the frozen auxiliary between the target's tokenizer and head (Meta-Transformer)",
    rank=150,
    apply=freeze_auxiliary,
)
