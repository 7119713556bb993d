"""Control: a pathway from an encoder that has learned nothing. If auxiliaries carry knowledge, it must not win."""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.pathway import join, merge
from m2pt.models.encoder import Encoder, random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import drawn_seed
from m2pt.runs.spec import RunSpec


def drawn(spec: RunSpec, auxiliaries: Sequence[Encoder]) -> Encoder:
    """A freshly initialised encoder, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} draws its own encoder")
    return random_encoder(spec.model, drawn_seed(spec, "random auxiliary"))


def join_random(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join a freshly initialised encoder, drawn from the run's seed."""
    join(model, spec, [drawn(spec, auxiliaries)])


METHOD = Method(
    kind="control",
    takes="random",
    description="a freshly initialised auxiliary",
    rank=40,
    apply=join_random,
    merge=merge,
    pathway={},
)
