"""Control: a pathway from an encoder of the target's own modality and lineage: it goes on from the encoder that the target has.

Its weights differ from the target's by what its further training learned, as in task arithmetic (*Editing Models with Task
Arithmetic*, arXiv 2212.04089): a positive control for task vectors. It says nothing about encoders that were pretrained apart,
which no two modalities share (`own_apart`).
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.own import join_own
    from m2pt.methods.actions.pathway import merge

    return Actions(join_own, merge=merge)


METHOD = Method(
    kind="control",
    takes="own",
    description="an auxiliary of the target's own modality that goes on from the target's own encoder: must win",
    rank=80,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
    lineage="same",
)
