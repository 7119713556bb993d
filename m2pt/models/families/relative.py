"""A block of a ViT with learned relative positions, as in mmsegmentation's MAE."""

from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class RelativeBlock(Block):
    """A block whose attention adds a learned bias for each head and each displacement between two patches of a grid.

    `relative_bias` (displacements + 3, heads) starts at zero, as in mmsegmentation's MAE. Its last three rows are for the class
    token, which comes first: from it to patches, from patches to it, and to itself (BEiT, arXiv 2106.08254).
    """

    def __init__(self, width: int, heads: int, grid: tuple[int, int], **options: Any) -> None:
        super().__init__(width, heads, **options)
        index_NN = relative_places(*grid)
        self.register_buffer("relative_index", index_NN, persistent=False)
        self.relative_bias = nn.Parameter(torch.zeros((2 * grid[0] - 1) * (2 * grid[1] - 1) + 3, heads))

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Tokens (B, 1 + N, D) in and out."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        bias_1HNN = self.relative_bias[self.get_buffer("relative_index")].permute(2, 0, 1).unsqueeze(0)
        mask = bias_1HNN if attn_mask is None else bias_1HNN + attn_mask
        return super().forward(x, mask.to(dtype), is_causal)


def relative_places(rows: int, columns: int) -> Tensor:
    """The row of `RelativeBlock.relative_bias` for each query and key: (1 + N, 1 + N) int64, the class token first."""
    row_N, column_N = (axis.flatten() for axis in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"))
    down_NN = row_N[:, None] - row_N[None] + rows - 1
    right_NN = column_N[:, None] - column_N[None] + columns - 1
    displacements = (2 * rows - 1) * (2 * columns - 1)
    index = torch.full((1 + rows * columns, 1 + rows * columns), displacements, dtype=torch.int64)
    index[1:, 1:] = down_NN * (2 * columns - 1) + right_NN
    index[1:, 0] = displacements + 1
    index[0, 0] = displacements + 2
    return index


def relative_rows(count: int) -> Tensor:
    """The row of a table of 2 · count - 1 displacements for each query and key along one axis: (count, count) int64."""
    places = torch.arange(count)
    return places[:, None] - places[None] + count - 1
