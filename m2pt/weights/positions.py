"""Learned and fixed positions of a grid, brought to another grid. Shapes: N places, D width; rows and columns of a grid."""

import math

import torch
from torch import Tensor, nn

Grid = tuple[int, int]
ClipGrid = tuple[int, int, int]


def resize(positions_ND: Tensor, old: Grid, new: Grid) -> Tensor:
    """Positions with that of the class token first, (1 + rows * columns, D), for a grid of another size.

    The grid is interpolated bicubically, as MAE's code does; the class token's position stays.
    """
    if old == new:
        return positions_ND
    grid = positions_ND[1:].T.reshape(1, -1, *old)
    resized = nn.functional.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    return torch.cat([positions_ND[:1], resized.flatten(2)[0].T])


def resize_clip(positions_ND: Tensor, old: ClipGrid, new: ClipGrid) -> Tensor:
    """Positions (frames * rows * columns, D) for clips of another length or size, interpolated trilinearly."""
    if old == new:
        return positions_ND
    grid = positions_ND.T.reshape(1, -1, *old)
    return nn.functional.interpolate(grid, size=new, mode="trilinear", align_corners=False).flatten(2)[0].T


def clip_grid_of(places: int, likely: ClipGrid) -> ClipGrid | None:
    """The grid (frames, rows, columns) that so many positions of clips belong to, or None where nothing tells.

    The likely grid where it has as many places, else one of square pictures with the number of frames nearest to the likely one.
    """
    if places == likely[0] * likely[1] * likely[2]:
        return likely
    found = [(frames, *side) for frames in range(1, places + 1) if places % frames == 0 and (side := square(places // frames))]
    return min(found, key=lambda grid: abs(grid[0] - likely[0]), default=None)


def square(places: int) -> Grid | None:
    """The square grid of so many places, or None."""
    side = math.isqrt(places)
    return (side, side) if side > 0 and side * side == places else None


def repeated(positions_ND: Tensor) -> Grid | None:
    """The grid that fixed sine-cosine positions (1 + N, D) were made for, or None where they are none.

    The first half of such a code depends on the column alone, so it repeats itself with every row, and differs within a row.
    """
    half_ND = positions_ND[1:, : positions_ND.shape[1] // 2].float()
    places = len(half_ND)
    for columns in range(2, places):
        if places % columns == 0 and torch.allclose(half_ND[columns:], half_ND[:-columns], atol=1e-4):
            return places // columns, columns
    return None


def grid_of(positions_ND: Tensor, likely: Grid) -> Grid | None:
    """The grid that positions (1 + N, D) belong to, or None where nothing tells.

    Fixed codes show it. Learned ones have the likely grid where it has as many places; else they are square where both are, and
    else they have as many columns as the likely grid, since sounds differ in length while the bands stay the same.
    """
    places = len(positions_ND) - 1
    if (shown := repeated(positions_ND)) is not None:
        return shown
    rows, columns = likely
    if places == rows * columns:
        return likely
    if rows == columns:
        return square(places)
    return (places // columns, columns) if places > 0 and places % columns == 0 else None
