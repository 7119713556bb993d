"""Control of `attention_start`: start from the attention of an encoder that was pretrained likewise, but has seen no modality.

`m2pt.methods.no_modality` says what such an encoder is; the MLPs stay the target's. A gain of `attention_start` over this control
needs something of the modality. With an encoder of kind `procedural`, it is the warm-up of attention on a formal language that
*Procedural Pretraining* (arXiv 2601.21725) finds to help: a positive control from outside.
"""

from collections.abc import Sequence

from m2pt.methods._declaration import Method
from m2pt.methods.attention_start import start_from_attention
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def start_from_attention_without_signal(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the attention of the target's blocks with that of the encoder that has seen no modality."""
    if len(auxiliaries) != 1:
        raise ValueError(f"{spec.method} takes one encoder, not {len(auxiliaries)}")
    start_from_attention(model, spec, auxiliaries)


METHOD = Method(
    kind="control",
    takes="no_modality",
    description="start from the attention alone of an encoder pretrained without any modality",
    rank=227,
    apply=start_from_attention_without_signal,
)
