"""Claim: the pathway with an auxiliary that is first brought into the target's coordinates.

Encoders that were pretrained apart have their units in different places, so `W + λ·W_aux` adds what does not belong together. The
alignment (`pathway.alignment`) is that of `m2pt.alignment`, which states the source of each kind: permutations as in *Git
Re-Basin* (arXiv 2209.04836), with heads as units as in *Merging Text Transformer Models from Different Initializations* (arXiv
2403.00986), a rotation of the stream, or least-squares maps. Here an auxiliary of another modality is compared with the target on
the target's own tokens. A pathway takes the aligned weights, as always without biases and norms.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.aligned_pathway import align
    from m2pt.methods.actions.pathway import join, merge

    return Actions(join, merge=merge, align=align)


METHOD = Method(
    kind="claim",
    takes="each",
    description="the pathway with the auxiliary in the target's coordinates",
    rank=25,
    actions=_actions,
    needs="one residual stream of tokens",
    pathway={"order": "normal"},
    random_auxiliary_is_control=True,
    control="aligned_random",
    aligns=True,
)
