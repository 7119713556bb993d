"""Control: a pathway from an own-modality encoder that was pretrained apart, brought into the target's coordinates.

It takes the encoder that `own_apart` takes, and aligns it as `aligned_pathway` does. If a pathway between encoders that were
pretrained apart passes on nothing because their units do not correspond, this must win, and win over `aligned_random`.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.aligned_pathway import align
    from m2pt.methods.actions.own import join_own
    from m2pt.methods.actions.pathway import merge

    return Actions(join_own, merge=merge, align=align)


METHOD = Method(
    kind="control",
    takes="own",
    description="an auxiliary of the target's own modality, pretrained apart, in the target's coordinates",
    rank=84,
    actions=_actions,
    needs="one residual stream of tokens",
    pathway={"order": "normal"},
    random_auxiliary_is_control=True,
    lineage="apart",
    control="aligned_random",
    aligns=True,
)
