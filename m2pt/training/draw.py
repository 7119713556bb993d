"""The samples of a training split that a run trains with."""

import torch
from torch import Tensor

from m2pt.config import UserError


def balanced(labels_N: Tensor, count: int, seed: int) -> Tensor:
    """Indices (count,) of a class-balanced draw from labels (N,).

    Raises:
        UserError: there are fewer samples.

    """
    if count > len(labels_N):
        raise UserError(f"finetune.samples: {count} requested, but the train split has {len(labels_N)}; lower it or add data.")
    order = torch.randperm(len(labels_N), generator=torch.Generator().manual_seed(seed))
    rank = torch.empty_like(order)
    for label in labels_N.unique().tolist():
        members = order[labels_N[order] == label]
        rank[members] = torch.arange(len(members))
    # Taking the first of each class, then the second, ... keeps the draw balanced for any count.
    return order[rank[order].argsort(stable=True)][:count]
