"""Rival: start from a weighted mean of the target's and the auxiliary's blocks, and fine-tune everything.

Source: weight interpolation as in *Model soups* (arXiv 2203.05482) and WiSE-FT (arXiv 2109.01903), which interpolate between
models of one task.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.interpolation import start_from_mean

    return Actions(start_from_mean)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from a weighted mean of target and auxiliary",
    rank=190,
    actions=_actions,
    rivals=("mix",),
)
