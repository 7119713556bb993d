"""Rival: the target's blocks gather their own values by the auxiliary's attention maps.

Source: attention copy of *On the Surprising Effectiveness of Attention Transfer for Vision Transformers* (arXiv 2411.09702);
`m2pt.methods.actions.attention_maps` says what differs here. The final model needs the auxiliary, so it is not a plain one.
"""

from functools import partial

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_shared_form


def _actions() -> Actions:
    from m2pt.methods.actions.attention_copy import copy_attention

    return Actions(copy_attention)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the target's own values, gathered by the frozen auxiliary's attention maps (attention copy)",
    rank=172,
    actions=_actions,
    needs="attention",
    tunings=("full",),
    refusal=partial(without_shared_form, "attention_copy"),
)
