"""What `m2pt.methods.attention_distillation` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from m2pt.methods.actions.attention_maps import add_teacher, drop_teacher
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


def teach_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Make the auxiliary the teacher of the target's attention, but for the last quarter of the blocks."""
    from m2pt.methods.actions.taught_attention import DistilledAttention

    if spec.rivals is None:
        raise ValueError("attention_distillation needs the section rivals")
    add_teacher(model, auxiliaries, DistilledAttention, always=False)


def added_loss(model: Model, spec: RunSpec) -> Tensor:
    """The weighted loss (B,) of the last forward pass, summed over blocks."""
    from m2pt.methods.actions.taught_attention import DistilledAttention

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

    from m2pt.methods.actions.taught_attention import DistilledAttention

    drop_teacher(model)
    for part in model.blocks.modules():
        if isinstance(part, DistilledAttention):
            del part.lesson
            part.loss_B = None
            part.__class__ = Attention  # type: ignore[assignment]
