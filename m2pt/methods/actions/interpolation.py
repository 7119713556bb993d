"""What `m2pt.methods.interpolation` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def start_from_mean(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Every parameter of the blocks becomes `(1 - mix) * target + mix * auxiliary`."""
    (auxiliary,) = auxiliaries
    if spec.rivals is None:
        raise ValueError("interpolation needs the section rivals")
    own = dict(model.blocks.named_parameters())
    for name, other in auxiliary.blocks.named_parameters():
        own[name].lerp_(other, spec.rivals.mix)
