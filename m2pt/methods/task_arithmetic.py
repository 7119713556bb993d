"""Rival: add to the target's blocks what the auxiliary learned in its last training, and fine-tune everything.

Source: *Editing Models with Task Arithmetic* (arXiv 2212.04089): a task vector is the difference between an encoder after and
before its training. Here it belongs to another modality: the auxiliary minus the encoder that it was trained from.
"""

from collections.abc import Sequence

import torch

from m2pt.methods._declaration import Method
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


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from the target plus what the auxiliary learned last",
    rank=200,
    apply=add_task_vector,
    rivals=("mix",),
    adds_what_was_learned=True,
)
