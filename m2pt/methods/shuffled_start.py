"""Control of `auxiliary_start`: start from the auxiliary's blocks with the entries of each of their matrices shuffled.

Norms, biases and norm layers are the trained ones, while what the matrices have learned is gone. A gain over this control cannot
come from the size of trained weights alone.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.shuffled_start import start_from_shuffled

    return Actions(start_from_shuffled)


METHOD = Method(
    kind="control",
    takes="each",
    description="start from the auxiliary's blocks, the entries of each matrix shuffled",
    rank=220,
    actions=_actions,
)
