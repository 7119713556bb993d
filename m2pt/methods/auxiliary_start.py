"""Rival: start from the auxiliary's blocks instead of the target's, and fine-tune everything: plain transfer of weights."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.auxiliary_start import start_from_auxiliary

    return Actions(start_from_auxiliary)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the auxiliary's blocks",
    rank=210,
    actions=_actions,
)
