"""Control: a pathway from an encoder that has learned nothing. It must not win if auxiliaries carry knowledge."""

from collections.abc import Sequence

from m2pt.methods.pathway import pathway
from m2pt.models.encoder import Encoder, random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec


def random_auxiliary(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join a freshly initialised encoder, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} draws its own encoder")
    pathway(model, spec, [random_encoder(spec.model, derived_seed(spec.seed, "random auxiliary"))])
