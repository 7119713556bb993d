"""Control of `auxiliary_start`: start from the blocks of an encoder that was pretrained likewise, but has seen no modality.

`m2pt.methods.no_modality` says what such an encoder is. A gain of `auxiliary_start` over this control needs something of the
modality.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.auxiliary_start import start_from_auxiliary
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_without_signal(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the weights of the target's blocks with those of the encoder that has seen no modality."""
    if len(auxiliaries) != 1:
        raise ValueError(f"{spec.method} takes one encoder, not {len(auxiliaries)}")
    start_from_auxiliary(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="no_modality",
    description="start from the blocks of an encoder pretrained without any modality",
    rank=226,
    apply=start_without_signal,
)
