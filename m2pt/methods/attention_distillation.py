"""Rival: the target learns the auxiliary's attention maps beside its task; the auxiliary is dropped in the end.

Source: attention distillation of *On the Surprising Effectiveness of Attention Transfer for Vision Transformers* (arXiv
2411.09702): the loss gains a weighted sum over blocks of the cross-entropy between the teacher's and the student's attention,
averaged over heads and queries. The released command has a weight of 3, the default of
`rivals.attention_weight`. `m2pt.methods._attention_maps` says what differs here.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from m2pt.methods._attention_maps import add_teacher, drop_teacher, refusal
from m2pt.methods._declaration import Method
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def teach_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Make the auxiliary the teacher of the target's attention, but for the last quarter of the blocks."""
    from m2pt.methods._taught_attention import DistilledAttention

    if spec.rivals is None:
        raise ValueError("attention_distillation needs the section rivals")
    add_teacher(model, auxiliaries, DistilledAttention, always=False)


def added_loss(model: Model, spec: RunSpec) -> Tensor:
    """The weighted loss (B,) of the last forward pass, summed over blocks."""
    from m2pt.methods._taught_attention import DistilledAttention

    if spec.rivals is None:
        raise ValueError("attention_distillation needs the section rivals")
    losses = []
    for part in model.blocks.modules():
        if isinstance(part, DistilledAttention) and part.loss_B is not None:
            losses.append(part.loss_B)
            part.loss_B = None
    return spec.rivals.attention_weight * torch.stack(losses).sum(dim=0)


def merge(model: Model) -> None:
    """Drop the teacher, in place; the result is a plain model."""
    from timm.layers.attention import Attention

    from m2pt.methods._taught_attention import DistilledAttention

    drop_teacher(model)
    for part in model.blocks.modules():
        if isinstance(part, DistilledAttention):
            del part.lesson
            part.loss_B = None
            part.__class__ = Attention  # type: ignore[assignment]


METHOD = Method(
    kind="rival",
    takes="each",
    description="the target also learns the auxiliary's attention maps (attention distillation)",
    rank=174,
    apply=teach_attention,
    merge=merge,
    rivals=("attention_weight",),
    tunings=("full",),
    refusal=partial(refusal, "attention_distillation"),
    added_loss=added_loss,
)
