"""What `m2pt.methods.interpolation` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def start_from_mean(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Every parameter of the blocks, and statistic of batch norm, becomes `(1 - mix) * target + mix * auxiliary`."""
    (auxiliary,) = auxiliaries
    if spec.rivals is None:
        raise ValueError("interpolation needs the section rivals")
    own = model.blocks.state_dict()
    for name, other in auxiliary.blocks.state_dict().items():
        if other.is_floating_point():  # batch norm also counts its batches
            own[name].lerp_(other, spec.rivals.mix)
