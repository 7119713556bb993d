"""What `m2pt.methods.no_modality_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

from m2pt.methods.actions.auxiliary_start import start_from_auxiliary
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_without_signal(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with those of the encoder that has seen no modality."""
    if len(auxiliaries) != 1:
        raise ValueError(f"{spec.method} takes one encoder, not {len(auxiliaries)}")
    start_from_auxiliary(model, spec, auxiliaries)
