"""Scores of a segmentation into classes. B batch, K classes, ... points, or height and width."""

from typing import Self

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item
from m2pt.training.metrics.meter import Meter


class SegmentationIoU(Meter):
    """Mean intersection over union (Jaccard index) from counts over all pixels of all samples, as ADE20K is scored.

    The IoU of a class is TP / (TP + FP + FN), with true positive, false positive and false negative pixels. `miou` is the mean
    over the classes in labels or predictions; `pixel_accuracy` = sum of TP / pixels; `class_accuracy` is the mean of
    TP / (TP + FN) over the classes in the labels. Pixels labelled -1 do not count. These are mmsegmentation's `mIoU`, `aAcc` and
    `mAcc`. `confusion` (K, K) holds the counts, true class (row) and predicted class.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in logits (B, K, ...), or predicted classes (B, ...), and classes `y` (B, ...)."""
        y = batch["y"]
        predicted = outputs.argmax(dim=1) if outputs.ndim == y.ndim + 1 else outputs.long()
        if predicted.shape != y.shape:
            raise ValueError(f"outputs of shape {tuple(outputs.shape)} for labels of shape {tuple(y.shape)}")
        counted = y >= 0
        cells = torch.bincount(y[counted] * self.num_classes + predicted[counted], minlength=self.num_classes**2)
        self.confusion += cells.view(self.num_classes, self.num_classes)

    def merge(self, other: Self) -> None:
        """Add another's counts."""
        self.confusion += other.confusion

    def result(self) -> dict[str, float]:
        """`miou`, `pixel_accuracy` and `class_accuracy` in percent. Raises `UserError` without a labelled pixel."""
        counts = self.confusion.double()
        if not int(self.confusion.sum()):
            raise UserError("No pixel has a label, so there is no intersection over union; check the labels of the data set.")
        right, true, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
        union = true + predicted - right
        return {
            "miou": 100 * float((right / union)[union > 0].mean()),
            "pixel_accuracy": 100 * float(right.sum() / counts.sum()),
            "class_accuracy": 100 * float((right / true)[true > 0].mean()),
        }
