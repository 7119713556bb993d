"""What `m2pt.methods.random_auxiliary` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder, random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def drawn(spec: RunSpec, auxiliaries: Sequence[Encoder]) -> Encoder:
    """A freshly initialised encoder, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} draws its own encoder")
    return random_encoder(spec.auxiliary_model, drawn_seed(spec, "random auxiliary"))


def join_random(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join a freshly initialised encoder, drawn from the run's seed."""
    join(model, spec, [drawn(spec, auxiliaries)])
