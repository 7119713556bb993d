"""Control of `auxiliary_start`: start from the auxiliary's blocks, with random singular vectors in each of their matrices.

Singular values, biases and norm layers are the trained ones, while the directions that the matrices have learned are gone. A gain
over this control needs structure beyond the spectrum of trained weights; `shuffled_start` does not keep the spectrum.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.spectrum_matched_start import start_from_turned

    return Actions(start_from_turned)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's blocks, with random singular vectors in each matrix",
    rank=222,
    actions=_actions,
)
