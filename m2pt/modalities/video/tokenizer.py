"""Clips to tokens: tubelets, projected linearly (VideoMAE, arXiv 2203.12602)."""

import torch
from torch import Tensor

from m2pt.config import VideoInput
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import GridTokenizer


class VideoTokenizer(GridTokenizer):
    """Clips (B, C, T, H, W) in [0, 1]."""

    def __init__(self, config: VideoInput, width: int) -> None:
        size = (config.frames, config.size, config.size)
        grid = PatchGrid(config.channels, size, (config.tubelet, config.patch, config.patch))
        super().__init__(grid, width, config.mean, config.std)

    def hidden(self, batch: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Tube masking (VideoMAE, section 3.2): a place is hidden in all frames or in none."""
        frames, height, width = self.grid.counts
        places = height * width
        order = torch.rand(batch, places, generator=generator).argsort(dim=1)
        count = min(max(round(ratio * places), 1), places - 1)
        return (order < count).repeat(1, frames)
