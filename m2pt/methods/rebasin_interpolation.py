"""Rival: start from a weighted mean of the target's and the auxiliary's blocks, the auxiliary's units in the target's order.

Source: *Git Re-Basin* (arXiv 2209.04836): permute the units of one model so that its weights (or its activations) match those of
the other, then interpolate. The function of the auxiliary stays the same (`m2pt.alignment`). Biases and norms are permuted and
interpolated too. `rivals.mix` is the auxiliary's share, as in `interpolation`; the paper's is a half.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.interpolation import start_from_mean
    from m2pt.methods.actions.rebasin_interpolation import permute

    return Actions(start_from_mean, align=permute)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from a weighted mean of target and auxiliary, its units in the target's order (Git Re-Basin)",
    rank=195,
    actions=_actions,
    needs="one residual stream of tokens",
    rivals=("mix", "matching"),
    aligns=True,
)
