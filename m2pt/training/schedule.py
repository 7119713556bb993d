"""The learning rate of every step."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

DROPS = (8 / 9, 26 / 27)
"""After which parts of the training a decay by steps divides the rate by ten."""


@dataclass(frozen=True)
class Schedule:
    """A warm-up from `start` to `peak` over `warmup` units of time, then a decay to `last`, which ends after `length` units.

    By steps (`steps_per_epoch` is None), the decay begins at the peak after the warm-up, as in MAE. By epochs, it is Point-MAE's:
    the decay begins with the training, hidden by the warm-up, and the rate lags one epoch behind, because the released code steps
    its schedule at the end of an epoch with the number of that epoch. A decay by `steps` is ViTDet's (arXiv 2203.16527): it
    begins with the training too, and does not end at `last`, but at a tenth and a hundredth of the peak (`DROPS`).
    """

    peak: float
    length: int
    warmup: float
    start: float = 0.0
    last: float = 0.0
    decay: Literal["cosine", "linear", "steps"] = "cosine"
    steps_per_epoch: int | None = None

    def rate(self, step: int) -> float:
        """The base rate of a step, counted from 0 over all epochs."""
        time, began = step, self.warmup
        if self.steps_per_epoch is not None:
            time, began = max(step // self.steps_per_epoch - 1, 0), 0
        if time < self.warmup:
            return self.start + time * ((self.peak - self.start) / self.warmup)
        if self.decay == "steps":
            return self.peak * 0.1 ** sum(time >= round(part * self.length) for part in DROPS)
        total = self.length - began
        done = min(time - began, total)
        left = 0.5 * (1 + math.cos(math.pi * done / total)) if self.decay == "cosine" else 1 - done / total
        return self.last + (self.peak - self.last) * left

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Set the rate of every group for a step: the base rate times the group's `lr_scale`."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate(step) * group.get("lr_scale", 1.0)
