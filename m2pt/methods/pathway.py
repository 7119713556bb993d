"""Claim: the Multimodal Pathway with an auxiliary of another modality (CVPR 2024, arXiv 2401.14405, section 3)."""

from m2pt.methods._declaration import Actions, Method


def joins() -> Actions:
    """What most methods with a pathway do: join the auxiliaries, and fold them in at the end."""
    from m2pt.methods.actions.pathway import join, merge

    return Actions(join, merge=merge)


METHOD = Method(
    kind="claim",
    takes="each",
    description="`W + λ·W_aux` with an auxiliary of another modality (M2PT)",
    rank=20,
    actions=joins,
    pathway={},
    random_auxiliary_is_control=True,
    maps=True,
)
