"""What `m2pt.methods.attention_start` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec

ATTENTION = ("norm1", "attn")
"""The parts of a block that compute `x + attn(norm1(x))`, its first half."""


@torch.no_grad()
def take_parts(model: Model, auxiliary: Encoder, parts: Sequence[str]) -> None:
    """Copy these parts of the auxiliary's blocks, with statistics of batch norm, into the model's, and leave all others."""
    own = model.blocks.state_dict()
    for name, other in auxiliary.blocks.state_dict().items():
        if name.split(".")[1] in parts:
            own[name].copy_(other)


def start_from_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Replace the attention of the target's blocks, and the norm before it, with the auxiliary's."""
    (auxiliary,) = auxiliaries
    del spec
    take_parts(model, auxiliary, ATTENTION)
