"""Rival: start from a weighted mean of the target's and the auxiliary's blocks, and fine-tune everything.

Source: weight interpolation as in *Model soups* (arXiv 2203.05482) and WiSE-FT (arXiv 2109.01903), which interpolate between
models of one task.
"""

from collections.abc import Sequence

import torch

from m2pt.methods._declaration import Method
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


METHOD = Method(
    kind="rival",
    takes="each",
    description="start from a weighted mean of target and auxiliary",
    rank=190,
    apply=start_from_mean,
    rivals=("mix",),
)
