"""Control of `auxiliary_start`: start from the blocks of an encoder that was pretrained likewise, but has seen no modality.

`m2pt.methods.no_modality` says what such an encoder is. A gain of `auxiliary_start` over this control needs something of the
modality.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.no_modality_start import start_without_signal

    return Actions(start_without_signal)


METHOD = Method(
    kind="control",
    takes="no_modality",
    description="start from the blocks of an encoder pretrained without any modality",
    rank=226,
    actions=_actions,
)
