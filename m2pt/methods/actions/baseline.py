"""What `m2pt.methods.baseline` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def leave_alone(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Leave the model as it is."""
    if auxiliaries or spec.pathway is not None:
        raise ValueError("a baseline takes no auxiliary")
    del model
