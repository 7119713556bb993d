"""Control: a pathway from an encoder of the target's own modality that was pretrained apart, from another initialisation.

It differs from the pathway from another modality by the modality alone, so it is the positive control for the claim that a
pathway passes on what another encoder learned. In a study whose encoders have several pretraining seeds, replicate r of the
target takes replicate r + 1 of the auxiliary's source, and the last the first; so two draws share an encoder, as a target here
and as an auxiliary there. Networks trained from different initialisations can compute similar functions with weights that do not
correspond (*Git Re-Basin*, arXiv 2209.04836).
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.own import join_own
    from m2pt.methods.actions.pathway import merge

    return Actions(join_own, merge=merge)


METHOD = Method(
    kind="control",
    takes="own",
    description="an auxiliary of the target's own modality, pretrained apart: must win if a pathway passes on what was learned",
    rank=82,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
    lineage="apart",
)
