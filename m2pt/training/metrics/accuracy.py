"""Accuracy of a classifier. B batch, K classes."""

from typing import Self

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item
from m2pt.training.metrics.meter import Meter

CONFUSION = 50
"""The most classes for which confusion is counted."""


class Accuracy(Meter):
    """Samples whose class has the largest output (`accuracy`), or one of the five largest (`top5_accuracy`, for K >= 5).

    `confusion` (K, K) counts samples by true class (row) and predicted class, for K <= 50; else it is None.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.count, self.first, self.among_five = 0, 0, 0
        self._right: list[Tensor] = []
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64) if num_classes <= CONFUSION else None

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in logits or probabilities (B, K) and classes `y` (B,)."""
        y_B = batch["y"]
        if outputs.shape != (len(y_B), self.num_classes):
            raise ValueError(f"outputs of shape {tuple(outputs.shape)} for {len(y_B)} samples and {self.num_classes} classes")
        best_B = outputs.argmax(dim=1)
        self.count += len(y_B)
        self.first += int((best_B == y_B).sum())
        self._right.append(best_B == y_B)
        if self.num_classes >= 5:
            self.among_five += int((outputs.topk(5, dim=1).indices == y_B[:, None]).any(dim=1).sum())
        if self.confusion is not None:
            cells = torch.bincount(y_B * self.num_classes + best_B, minlength=self.num_classes**2)
            self.confusion += cells.view(self.num_classes, self.num_classes)

    def each(self) -> Tensor:
        """Whether each sample's class has the largest output."""
        return torch.cat([torch.zeros(0, dtype=torch.bool), *self._right])

    def merge(self, other: Self) -> None:
        """Add another's counts and samples."""
        self._right += other._right
        self.count += other.count
        self.first += other.first
        self.among_five += other.among_five
        if self.confusion is not None and other.confusion is not None:
            self.confusion += other.confusion

    def result(self) -> dict[str, float]:
        """`accuracy` and, for five classes or more, `top5_accuracy`, in percent. Raises `UserError` without samples."""
        if self.count == 0:
            raise UserError("There are no samples to score, so there is no accuracy; check the data set's split.")
        scores = {"accuracy": 100.0 * self.first / self.count}
        return scores | ({"top5_accuracy": 100.0 * self.among_five / self.count} if self.num_classes >= 5 else {})
