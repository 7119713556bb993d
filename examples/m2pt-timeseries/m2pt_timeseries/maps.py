"""The embedding map of a series, for ConvNets: its steps folded into rows (as UniRepLKNet does, arXiv 2311.15599, section 3.3).

Shapes: B batch, C channels, L steps, R rows, K steps in each.
"""

import math

from torch import Tensor

from m2pt.modalities.shared.maps import EmbeddingMap
from m2pt_timeseries.section import TimeseriesInput


class TimeseriesMap(EmbeddingMap):
    """Series (B, C, L) as (B, C, R, K): row by row, with as many rows as are nearest to a square."""

    def __init__(self, config: TimeseriesInput) -> None:
        super().__init__()
        self.channels = config.channels
        self.rows = max(rows for rows in range(1, math.isqrt(config.length) + 1) if config.length % rows == 0)

    def forward(self, x: Tensor) -> Tensor:
        """Fold."""
        folded_BCRK: Tensor = x.unflatten(2, (self.rows, -1))
        return folded_BCRK
