"""What `m2pt.methods.no_modality` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def join_without_signal(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join the encoder that has seen no modality."""
    if len(auxiliaries) != 1:
        raise ValueError(f"{spec.method} takes one encoder, not {len(auxiliaries)}")
    join(model, spec, auxiliaries)
