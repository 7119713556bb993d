"""What `m2pt.methods.task_arithmetic` does to a model; the declaration says where it is from."""

from collections.abc import Sequence

import torch

from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


@torch.no_grad()
def add_task_vector(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Every parameter of the blocks becomes `target + mix * (auxiliary - its start)`."""
    auxiliary, start = auxiliaries
    if spec.rivals is None:
        raise ValueError("task_arithmetic needs the section rivals")
    own = dict(model.blocks.named_parameters())
    for (name, after), before in zip(auxiliary.blocks.named_parameters(), start.blocks.parameters(), strict=True):
        own[name].add_(after - before, alpha=spec.rivals.mix)
