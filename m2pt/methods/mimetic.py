"""Control: a pathway from an encoder whose attention has the form of trained attention, written down without any data.

Source: *Mimetic Initialization of Self-Attention Layers* (Trockman and Kolter, ICML 2023, arXiv 2305.09828). In each head the
product of query and key weights is the best approximation of its rank to `0.7 Z + 0.7 I`; in each block the product of value
and projection weights is `0.4 Z - 0.4 I`. Z is Gaussian noise of variance 1/D, new each time; the factors come from a singular
value decomposition. The MLPs and norms stay freshly initialised. If a pathway gains because its auxiliary looks like a trained
one, so does this.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.mimetic import join_mimetic
    from m2pt.methods.actions.pathway import merge

    return Actions(join_mimetic, merge=merge)


METHOD = Method(
    kind="control",
    takes="nothing",
    description="an auxiliary with mimetic attention: of the form of trained attention, written down without data",
    rank=54,
    actions=_actions,
    needs="attention",
    pathway={},
)
