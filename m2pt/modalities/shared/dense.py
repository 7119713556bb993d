"""The interface of heads that read the tokens of some blocks: dense predictions (a label per point or pixel), and detectors."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from m2pt.layers import RowNoise
from m2pt.modalities.shared.features import Features

Outputs = Tensor | tuple[Tensor, Tensor]
"""Outputs (B, classes, ...), one per point or pixel; in training also those of a side head, if there is one."""


class DenseHead(nn.Module, ABC):
    """`taps` are the indices of the blocks, counted from 0, whose outputs it takes."""

    taps: tuple[int, ...]

    def draw(self, noise: RowNoise) -> None:
        """Make the random choices for the next batch in training, if the head has any."""

    @abstractmethod
    def forward(self, features: Features, given: Tensor | None) -> Outputs:
        """Label every point or pixel; `given` (B,) are object categories if the task has them.

        A detector gives what its own docstring says, and is given what its task's samples say.
        """
