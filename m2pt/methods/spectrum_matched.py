"""Control: a pathway from the auxiliary with the singular vectors of each of its matrices replaced by random ones.

Every matrix keeps its singular values, and with them its norm, its rank and its conditioning; biases and norm layers stay as
they are. What the matrix has learned about directions is gone. `shuffled_auxiliary` keeps the norm, but the spectrum of
shuffled entries is that of noise. So a gain over this control needs structure beyond the spectrum of trained weights.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.spectrum_matched import join_turned

    return Actions(join_turned, merge=merge)


METHOD = Method(
    kind="control",
    takes="each",
    description="the singular values of the auxiliary's matrices, with random singular vectors",
    rank=52,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
    maps=True,
)
