"""Rival: start from the auxiliary's blocks instead of the target's, and fine-tune everything: plain transfer of weights."""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def auxiliary_start(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks; its tokenizer stays."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
