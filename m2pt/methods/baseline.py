"""No auxiliary: plain fine-tuning, the reference of every gain."""

from collections.abc import Sequence

from m2pt.encoder import Encoder
from m2pt.identity import RunSpec
from m2pt.model import Model


def baseline(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Leave the model as it is."""
    if auxiliaries or spec.pathway is not None:
        raise ValueError("a baseline takes no auxiliary")
    del model
