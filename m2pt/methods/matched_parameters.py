"""Control: as many trainable parameters as a pathway has, with no knowledge in them: `W + W'`, where `W'` starts at 0.

If a pathway gains because a sum of two trained weights learns differently, so does this.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.matched_parameters import join_zeros
    from m2pt.methods.actions.pathway import merge

    return Actions(join_zeros, merge=merge)


METHOD = Method(
    kind="control",
    takes="nothing",
    description="`W + W'` with `W'` from 0: the pathway's number of trainable weights",
    rank=130,
    actions=_actions,
    pathway={"scale_init": 1.0, "scale_trainable": False, "auxiliary_trainable": True},
    unread={"pathway.order": "what matched_parameters adds starts as nothing"},
    tunings=("full",),
)
