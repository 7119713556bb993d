"""Clips to tokens as in VideoMAE (arXiv 2203.12602): tubelets with fixed positions, no class token."""

from torch import Tensor, nn

from m2pt.config import VideoInput
from m2pt.layers import initialise, sinusoids
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import ChannelConstants, Tokenizer


class PublishedVideoTokenizer(Tokenizer):
    """Clips (B, C, T, H, W) in [0, 1].

    `positions` (N, D) are fixed: where a file of weights has some, they are taken from there; else they follow from the number of
    tubelets, as in VideoMAE's code.
    """

    def __init__(self, config: VideoInput, width: int) -> None:
        super().__init__()
        self.constants = ChannelConstants(config.mean, config.std)
        size, patch = (config.frames, config.size, config.size), (config.tubelet, config.patch, config.patch)
        self.grid = PatchGrid(config.channels, size, patch)
        self.projection = nn.Linear(self.grid.num_values, width)
        frames, rows, columns = self.grid.counts
        self.register_buffer("positions", sinusoids(frames * rows * columns, width))
        initialise(self.projection)

    def tokens(self, x: Tensor) -> Tokens:
        """Tubelets with their positions."""
        patches = self.grid.cut(self.constants(x))
        return Tokens(self.projection(patches.values_BNP) + self.get_buffer("positions"), patches.coordinates_BN3)
