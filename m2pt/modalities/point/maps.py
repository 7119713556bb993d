"""The embedding map of a point cloud: its projections on three planes (UniRepLKNet, arXiv 2311.15599, section 3.3).

The paper projects a cloud to three views of 224 × 224 pixels; its released code learns the projection (P2P, arXiv 2208.02812).
Here it has no parameters: each view is a picture of depths. Shapes: B batch, P points, S pixels along a side.
"""

import torch
from torch import Tensor

from m2pt.config import PointInput
from m2pt.modalities.shared.maps import EmbeddingMap

VIEWS = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
"""For each view the axes of its columns and its rows, and the axis along which it looks."""


class PointMap(EmbeddingMap):
    """Clouds (B, P, 3) in the unit sphere as three views (B, 3, S, S).

    A pixel is 0 where no point is seen, otherwise between 1/2 (a point at depth -1) and 1 (at depth 1); the nearest point counts.
    Points outside of [-1, 1] are seen at the edge.
    """

    channels = len(VIEWS)

    def __init__(self, config: PointInput) -> None:
        super().__init__()
        self.side = config.view

    def forward(self, x: Tensor) -> Tensor:
        """Project clouds."""
        cell_BP3 = ((x + 1) / 2 * self.side).floor().clamp(0, self.side - 1).long()
        value_BP3 = 0.75 + x.clamp(-1, 1) / 4
        places = torch.stack([cell_BP3[..., row] * self.side + cell_BP3[..., column] for column, row, _ in VIEWS], dim=1)
        values = torch.stack([value_BP3[..., depth] for _, _, depth in VIEWS], dim=1)
        empty = x.new_zeros(len(x), len(VIEWS), self.side**2)
        seen: Tensor = empty.scatter_reduce(2, places, values, "amax")
        return seen.view(len(x), len(VIEWS), self.side, self.side)
