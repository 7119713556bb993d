"""Control of `aligned_pathway`: random weights, aligned in the same way. If auxiliaries carry knowledge, it must not win.

An alignment chooses among many forms of an auxiliary the one that is nearest to the target, most of them by samples of the
target's data. That alone could help, whatever the auxiliary is. The encoder is the one that `random_auxiliary` draws.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.aligned_random import align_random
    from m2pt.methods.actions.pathway import join, merge

    return Actions(join, merge=merge, align=align_random)


METHOD = Method(
    kind="control",
    takes="random",
    description="a freshly initialised auxiliary in the target's coordinates",
    rank=45,
    actions=_actions,
    needs="one residual stream of tokens",
    pathway={"order": "normal"},
    aligns=True,
)
