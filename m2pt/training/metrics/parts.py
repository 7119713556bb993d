"""Scores of part segmentation. Shapes: B batch, P points, K part labels of all categories together.

A model is given the category of a shape, so it only chooses among the parts of that category.
"""

import math
from collections.abc import Iterator, Sequence
from math import fsum
from typing import Self

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item
from m2pt.training.metrics.meter import Meter


def _mean(values: Sequence[float]) -> float:
    """The correctly rounded mean, hence the same in any order."""
    return fsum(values) / len(values)


_NOTHING = "No point has a part, so there is no intersection over union; check the labels of the data set."


class PartIoU(Meter):
    """ShapeNetPart's scores: intersection over union of each part of a shape, averaged over the parts of its category.

    A part that is neither present nor predicted counts as 1. `miou_instance` is the mean over shapes, `miou_class` the mean over
    categories of the mean over their shapes (PointNet, arXiv 1612.00593, section 5.1; PointNet++'s evaluation). `parts` are the
    part labels of each category. Categories without a shape are left out.
    """

    def __init__(self, parts: tuple[tuple[int, ...], ...]) -> None:
        self.parts = parts
        self._shapes: list[list[float]] = [[] for _ in parts]
        self._in_order: list[float] = []
        self._right = 0
        self._points = 0

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in logits (B, K, P), `y` (B, P) and the categories `given` (B,)."""
        first = len(self._in_order)
        self._in_order += [math.nan] * len(outputs)
        for place, category, predicted_P, true_P in _predictions(outputs, batch, self.parts):
            ious = []
            for part in self.parts[category]:
                there, said = true_P == part, predicted_P == part
                union = int((there | said).sum())
                ious.append(int((there & said).sum()) / union if union else 1.0)
            self._shapes[category].append(_mean(ious))
            self._in_order[first + place] = _mean(ious)
            self._right += int((predicted_P == true_P).sum())
            self._points += len(true_P)

    def each(self) -> Tensor:
        """The mean IoU of each shape; NaN for a shape of a category without parts."""
        return torch.tensor(self._in_order, dtype=torch.float64)

    def merge(self, other: Self) -> None:
        """Add another meter's shapes."""
        self._in_order += other._in_order
        for mine, more in zip(self._shapes, other._shapes, strict=True):
            mine += more
        self._right += other._right
        self._points += other._points

    def result(self) -> dict[str, float]:
        """`miou_instance`, `miou_class` and `point_accuracy` in percent. Raises `UserError` without a shape."""
        shapes = [iou for ious in self._shapes for iou in ious]
        if not shapes:
            raise UserError(_NOTHING)
        return {
            "miou_instance": 100.0 * _mean(shapes),
            "miou_class": 100.0 * _mean([_mean(ious) for ious in self._shapes if ious]),
            "point_accuracy": 100.0 * self._right / self._points,
        }


class PartNetIoU(Meter):
    """PartNet's score: the part-category mIoU of fine-grained semantic segmentation (arXiv 1812.02713, section 5.1).

    Intersections and unions of a part are summed over all shapes of its category; `miou` is the mean over the parts of a
    category, averaged over categories. The first label of each category is "other": points that have it are left out, and it is
    never predicted, as in the published evaluation. Parts that are neither present nor predicted in any shape are left out.
    """

    def __init__(self, parts: tuple[tuple[int, ...], ...]) -> None:
        self.parts = tuple(labels[1:] for labels in parts)
        self._others = tuple(labels[0] for labels in parts)
        size = 1 + max(max(labels) for labels in parts)
        self._both = torch.zeros(size, dtype=torch.int64)
        self._either = torch.zeros(size, dtype=torch.int64)
        self._right = 0
        self._points = 0

    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in logits (B, K, P), `y` (B, P) and the categories `given` (B,)."""
        size = len(self._both)
        for _, category, predicted_P, true_P in _predictions(outputs, batch, self.parts):
            counted = true_P != self._others[category]
            predicted, true = predicted_P[counted], true_P[counted]
            both = torch.bincount(true[predicted == true], minlength=size)
            self._both += both
            self._either += torch.bincount(true, minlength=size) + torch.bincount(predicted, minlength=size) - both
            self._right += int(both.sum())
            self._points += len(true)

    def merge(self, other: Self) -> None:
        """Add another meter's counts."""
        self._both += other._both
        self._either += other._either
        self._right += other._right
        self._points += other._points

    def result(self) -> dict[str, float]:
        """`miou` and `point_accuracy` (of the points that have a part) in percent. Raises `UserError` without one."""
        categories = []
        for labels in self.parts:
            ious = [int(self._both[part]) / int(self._either[part]) for part in labels if self._either[part]]
            if ious:
                categories.append(_mean(ious))
        if not categories or not self._points:
            raise UserError(_NOTHING)
        return {"miou": 100.0 * _mean(categories), "point_accuracy": 100.0 * self._right / self._points}


def _predictions(
    outputs_BKP: Tensor, batch: Item, parts: tuple[tuple[int, ...], ...]
) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """For each shape: its place in the batch, its category, and predicted and true label of each point.

    A category without parts is skipped.
    """
    shapes = zip(outputs_BKP, batch["y"], batch["given"].tolist(), strict=True)
    for place, (logits_KP, true_P, category) in enumerate(shapes):
        labels = torch.tensor(parts[category], dtype=torch.int64)
        if len(labels):
            yield place, category, labels[logits_KP[labels].argmax(dim=0)], true_P
