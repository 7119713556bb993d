"""Control: a pathway from the auxiliary with the entries of each of its matrices shuffled.

What a matrix has learned is gone, while its norm and the distribution of its values stay: random weights of the trained size. A
gain over this control cannot come from the scale of pretrained weights alone.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.pathway import merge
    from m2pt.methods.actions.shuffled_auxiliary import join_shuffled

    return Actions(join_shuffled, merge=merge)


METHOD = Method(
    kind="control",
    takes="each",
    description="the auxiliary with the entries of each matrix shuffled",
    rank=50,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
    maps=True,
)
