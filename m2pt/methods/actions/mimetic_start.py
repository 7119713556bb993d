"""What `m2pt.methods.mimetic_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.auxiliary_start import start_from_auxiliary
from m2pt.methods.actions.mimetic import mimetic_encoder
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def start_from_mimetic(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with those of an encoder with mimetic attention, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} takes no auxiliary")
    start_from_auxiliary(model, spec, [mimetic_encoder(spec.model, drawn_seed(spec, "mimetic"))])
