"""Rival: start from the auxiliary's blocks instead of the target's, and fine-tune everything: plain transfer of weights."""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_from_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's; the target's tokenizer stays."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the auxiliary's blocks",
    rank=210,
    apply=start_from_auxiliary,
)
