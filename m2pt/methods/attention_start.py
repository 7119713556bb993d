"""Rival: start from the attention of the auxiliary's blocks, with its norms; the MLPs stay the target's.

Partial transfer as in *Procedural Pretraining* (arXiv 2601.21725), which moves attention alone or MLPs alone to see which of
the two carries what was learned. `mlp_start` takes the other half; together they are `auxiliary_start`.
"""

from m2pt.methods._declaration import Actions, Method


def _actions() -> Actions:
    from m2pt.methods.actions.attention_start import start_from_attention

    return Actions(start_from_attention)


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the attention of the auxiliary's blocks alone",
    rank=212,
    actions=_actions,
    needs="attention",
)
