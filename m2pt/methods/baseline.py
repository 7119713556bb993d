"""Reference: no auxiliary, plain fine-tuning; every gain is measured against it."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.baseline import leave_alone

    return Actions(leave_alone)


METHOD = Method(
    kind="reference",
    takes="nothing",
    description="no auxiliary",
    rank=10,
    actions=_actions,
)
