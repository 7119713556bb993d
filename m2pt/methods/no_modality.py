"""Control: a pathway from an encoder that was pretrained by the same recipe, but has seen no modality.

It was trained on noise, on random labels or on nested brackets (`sweep.no_modality_encoder`). Its weights have everything that
training leaves in weights, except what the samples of a modality could have taught. If a pathway from another modality is to
pass on something of that modality, it must win over this control; over random weights it could also win by having been trained.

Sources: nested brackets as in *Can You Learn to See Without Images?* (arXiv 2511.13945); random labels as in *What Do Neural
Networks Learn When Trained With Random Labels?* (arXiv 2006.10455), which finds that weights still take up the principal
components of the samples: noise leaves less. The encoder has the form of the target's own samples, so no other form can explain
that it loses.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.no_modality import join_without_signal
    from m2pt.methods.actions.pathway import merge

    return Actions(join_without_signal, merge=merge)


METHOD = Method(
    kind="control",
    takes="no_modality",
    description="an auxiliary pretrained without any modality: on noise, random labels or brackets",
    rank=56,
    actions=_actions,
    pathway={},
    random_auxiliary_is_control=True,
)
