"""The interface of heads for dense predictions (one label per point or pixel)."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from m2pt.modalities.shared.features import Features

Outputs = Tensor | tuple[Tensor, Tensor]
"""Outputs (B, classes, ...), one per point or pixel; in training also those of a side head, if there is one."""


class DenseHead(nn.Module, ABC):
    """`taps` are the indices of the blocks, counted from 0, whose outputs it takes."""

    taps: tuple[int, ...]

    @abstractmethod
    def forward(self, features: Features, given: Tensor | None) -> Outputs:
        """Label every point or pixel; `given` (B,) are object categories if the task has them."""
