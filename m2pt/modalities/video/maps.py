"""The embedding map of a clip: its frames laid out as one picture (UniRepLKNet, arXiv 2311.15599, section 3.3).

Shapes: B batch, C channels, T frames, R rows and K columns of frames, H height, W width.
"""

import math

from torch import Tensor

from m2pt.config import VideoInput
from m2pt.modalities.shared.maps import GridMap


class VideoMap(GridMap):
    """Clips (B, C, T, H, W) in [0, 1], normalised, as (B, C, R * H, K * W): the frames row by row.

    16 frames are laid out 4 by 4, as in the paper; a number that is no square has as many rows as are nearest to it.
    """

    def __init__(self, config: VideoInput) -> None:
        super().__init__(config.channels, config.mean, config.std)
        self.rows = max(rows for rows in range(1, math.isqrt(config.frames) + 1) if config.frames % rows == 0)

    def forward(self, x: Tensor) -> Tensor:
        """Lay out the frames."""
        frames_BCRKHW: Tensor = super().forward(x).unflatten(2, (self.rows, -1))
        return frames_BCRKHW.transpose(3, 4).flatten(4, 5).flatten(2, 3)
