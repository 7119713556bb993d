"""Control: a pathway from an encoder that has learned nothing. If auxiliaries carry knowledge, it must not win."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.random_auxiliary import join_random

    return Actions(join_random, merge=merge)


METHOD = Method(
    kind="control",
    takes="random",
    description="a freshly initialised auxiliary",
    rank=40,
    actions=_actions,
    pathway={},
    maps=True,
)
