"""Filterbanks to tokens: patches over time and frequency, projected linearly (AudioMAE, arXiv 2207.06405)."""

from torch import Tensor

from m2pt.config import AudioInput
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import GridTokenizer


class AudioTokenizer(GridTokenizer):
    """Log-mel filterbanks (B, 1, frames, mels), normalised with the constants of the data set."""

    def __init__(self, config: AudioInput, width: int) -> None:
        grid = PatchGrid(1, (1, config.frames, config.mels), (1, config.patch, config.patch))
        super().__init__(grid, width, (config.mean,), (config.std,))

    def to_grid(self, x: Tensor) -> Tensor:
        """Filterbanks as clips of one frame."""
        return x.unsqueeze(2)
