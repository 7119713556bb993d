"""What `m2pt.methods.auxiliary_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder, take_blocks
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_from_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with the auxiliary's; the target's tokenizer stays."""
    (auxiliary,) = auxiliaries
    del spec
    take_blocks(model.blocks, auxiliary.blocks)
