"""The labels of one's own files as what a model is trained for. Shape suffixes: N samples, K classes."""

import torch
from torch import Tensor

from m2pt.config import Goal, refuses_unknown
from m2pt.modalities.own.dataset import OwnSplit


@refuses_unknown
def targets(own: OwnSplit, goal: Goal) -> Tensor:
    """(N,) int64, or (N, K) float32 of 0 and 1 for tagging."""
    if goal == "tagging":
        labels_NK = torch.zeros(len(own.names), len(own.classes))
        for row, labels in enumerate(own.labels):
            labels_NK[row, list(labels)] = 1.0
        return labels_NK
    return torch.tensor([label for (label,) in own.labels], dtype=torch.int64)
