"""Control: a pathway from a copy of the target itself. It brings no knowledge, only more weights that are not random."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.target_copy import join_copy

    return Actions(join_copy, merge=merge)


METHOD = Method(
    kind="control",
    takes="nothing",
    description="a copy of the target as its own auxiliary",
    rank=90,
    actions=_actions,
    pathway={},
)
