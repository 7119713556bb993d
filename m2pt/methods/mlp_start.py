"""Rival: start from the MLPs of the auxiliary's blocks, with their norms; the attention stays the target's.

The other half is `attention_start`, which names the source; together they are `auxiliary_start`.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.attention_start import take_parts
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

MLP = ("norm2", "mlp")
"""The parts of a block that compute `x + mlp(norm2(x))`, its second half."""


def start_from_mlps(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the MLPs of the target's blocks, and the norms before them, with the auxiliary's."""
    (auxiliary,) = auxiliaries
    del spec
    take_parts(model, auxiliary, MLP)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the MLPs of the auxiliary's blocks alone",
    rank=214,
    apply=start_from_mlps,
)
