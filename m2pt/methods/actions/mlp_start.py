"""What `m2pt.methods.mlp_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.attention_start import take_parts
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
