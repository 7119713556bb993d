"""Rival: start from the MLPs of the auxiliary's blocks, with their norms; the attention stays the target's.

The other half is `attention_start`, which names the source; together they are `auxiliary_start`.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.mlp_start import start_from_mlps

    return Actions(start_from_mlps)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the MLPs of the auxiliary's blocks alone",
    rank=214,
    actions=_actions,
)
