"""Rival: the pathway computed in two branches, as drawn in the paper; the comparison shows what merging the weights saves."""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.two_branch import join_branches

    return Actions(join_branches, merge=merge)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the pathway as two branches, without re-parameterization",
    rank=140,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
)
