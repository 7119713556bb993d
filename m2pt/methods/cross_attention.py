"""Rival: gated cross-attention from the target's tokens into a frozen auxiliary tower, gates at 0.

Sources: *Zipper* (arXiv 2405.18669, section 3): pretrained towers of two modalities joined by cross-attention layers; the gates
that start at 0 are Flamingo's (arXiv 2204.14198, section 2.2). The tower reads the target's own tokens, because there
is no sample of the auxiliary's modality here.
"""

from m2pt.methods._declaration import Actions, Method
from m2pt.runs.spec import RunSpec


def refusal(spec: RunSpec) -> str | None:
    """The tower reads the tokens as they are, so they must have the form that all modalities share."""
    if spec.input.form == "shared":
        return None
    return f"sweep.methods: cross_attention is for inputs of the shared form, {spec.target} is of the published one."


def _actions() -> Actions:
    from m2pt.methods.actions.cross_attention import add_cross_attention

    return Actions(add_cross_attention)


METHOD = Method(
    kind="rival",
    takes="each",
    description="gated cross-attention into the frozen auxiliary (Zipper)",
    rank=170,
    actions=_actions,
    needs="attention",
    tunings=("full",),
    refusal=refusal,
)
