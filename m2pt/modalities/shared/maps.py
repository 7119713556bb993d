"""The interface of every modality's embedding map: what a ConvNet sees of a sample.

Shapes: B batch, C channels, T frames, H height, W width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from m2pt.modalities.shared.tokenizer import ChannelConstants


class EmbeddingMap(nn.Module, ABC):
    """Turns samples into maps of `channels` channels, without parameters (arXiv 2311.15599, section 3.3)."""

    channels: int

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A batch of samples as maps (B, C, H, W)."""


class GridMap(EmbeddingMap):
    """The map of a signal on a grid (B, C, H, W): the signal itself, normalised with constants."""

    def __init__(self, channels: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.channels = channels
        self.constants = ChannelConstants(mean, std)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        normalised: Tensor = self.constants(x)
        return normalised
