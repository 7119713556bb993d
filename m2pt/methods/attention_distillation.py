"""Rival: the target learns the auxiliary's attention maps beside its task; the auxiliary is dropped in the end.

Source: attention distillation of *On the Surprising Effectiveness of Attention Transfer for Vision Transformers* (arXiv
2411.09702): the loss gains a weighted sum over blocks of the cross-entropy between the teacher's and the student's attention,
averaged over heads and queries. The released command has a weight of 3, the default of
`rivals.attention_weight`. `m2pt.methods.actions.attention_maps` says what differs here.
"""

from functools import partial

from m2pt.methods._declaration import Actions, Method
from m2pt.methods._refusals import without_shared_form


def _actions() -> Actions:
    from m2pt.methods.actions.attention_distillation import added_loss, merge, teach_attention

    return Actions(teach_attention, merge=merge, added_loss=added_loss)


METHOD = Method(
    kind="rival",
    takes="each",
    description="the target also learns the auxiliary's attention maps (attention distillation)",
    rank=174,
    actions=_actions,
    needs="attention",
    rivals=("attention_weight",),
    tunings=("full",),
    refusal=partial(without_shared_form, "attention_distillation"),
)
