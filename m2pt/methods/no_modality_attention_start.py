"""Control of `attention_start`: start from the attention of an encoder that was pretrained likewise, but has seen no modality.

`m2pt.methods.no_modality` says what such an encoder is; the MLPs stay the target's. A gain of `attention_start` over this control
needs something of the modality. With an encoder of kind `procedural`, it is the warm-up of attention on a formal language that
*Procedural Pretraining* (arXiv 2601.21725) finds to help: a positive control from outside.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.no_modality_attention_start import start_from_attention_without_signal

    return Actions(start_from_attention_without_signal)


METHOD = Method(
    kind="control",
    takes="no_modality",
    description="start from the attention alone of an encoder pretrained without any modality",
    rank=227,
    actions=_actions,
    needs="attention",
)
