"""Control: scales frozen at 0, so that a run must equal the baseline's bit for bit."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.random_auxiliary import join_random

    return Actions(join_random, merge=merge)


METHOD = Method(
    kind="control",
    takes="random",
    description="λ frozen at 0: equals the baseline bit for bit",
    rank=100,
    actions=_actions,
    pathway={"scale_init": 0.0, "scale_trainable": False, "auxiliary_trainable": False},
    maps=True,
)
