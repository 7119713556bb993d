"""Farthest points, nearest neighbours and interpolation between points, in plain torch, on any device.

Everything is exact: squared distances are `(dx² + dy²) + dz²` in float32, and of equal ones that of the lowest index comes first.
Shapes: B batch, P points, N centres, M points searched, K neighbours, D width.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_DISTANCES = 2**23
"""So many distances are held at once; with what is derived from them they take about 250 MB."""

ORIGIN = 1e-3
"""Squared distance from the origin up to which `skip_origin` passes over a point."""

_TINY = 1e-8  # added to squared distances before they are inverted, as in PointNet++


def squared_distances(from_BN3: Tensor, to_BM3: Tensor) -> Tensor:
    """Squared distances (B, N, M), summed axis by axis: other ways to sum them give other last bits on other devices."""
    total = (from_BN3[:, :, None, 0] - to_BM3[:, None, :, 0]).square()
    for axis in (1, 2):
        total = total + (from_BN3[:, :, None, axis] - to_BM3[:, None, :, axis]).square()
    return total


@torch.no_grad()
def farthest_points(x_BP3: Tensor, count: int, first: int | None = None, *, skip_origin: bool = False) -> Tensor:
    """Indices (B, count) of farthest-point sampling: each is the point farthest from those before it.

    It starts from the point with index `first` (0 in PointNet++ and Point-MAE), or else from that farthest from the origin.
    With `skip_origin`, no further point is taken from the ball of squared radius `ORIGIN` about the origin; where all others are
    taken, the first of these comes again (index 0 where there is none). So does the CUDA kernel of PointNet++.

    Raises:
        ValueError: a cloud has fewer than `count` points.

    """
    batch, points = x_BP3.shape[:2]
    if count > points:
        raise ValueError(f"{count} farthest points are asked for, but clouds have {points}")
    if batch == 1 and x_BP3.device.type == "cpu" and x_BP3.dtype == torch.float32:
        return torch.from_numpy(_farthest_of_one(x_BP3[0].detach().numpy(), count, first, skip_origin)).unsqueeze(0)
    rows = torch.arange(batch, device=x_BP3.device)
    axes = x_BP3.transpose(1, 2).contiguous()
    squares = axes.square()
    radius = squares[:, 0] + squares[:, 1] + squares[:, 2]
    latest = radius.argmax(dim=1) if first is None else torch.full((batch,), first, device=x_BP3.device)
    chosen = [latest]
    distance = torch.full((batch, points), torch.inf, device=x_BP3.device, dtype=x_BP3.dtype)
    if skip_origin:
        distance[radius.double() <= ORIGIN] = -1.0  # never the largest
    for _ in range(count - 1):
        squares = (axes - x_BP3[rows, latest].unsqueeze(2)).square_()
        distance = torch.minimum(distance, squares[:, 0] + squares[:, 1] + squares[:, 2])
        latest = distance.argmax(dim=1)
        chosen.append(latest)
    return torch.stack(chosen, dim=1)


def _farthest_of_one(x_P3: NDArray[np.float32], count: int, first: int | None, skip_origin: bool) -> NDArray[np.int64]:
    """The same for one cloud, as readers thin them out: NumPy takes less than half the time for it."""
    axes = [np.ascontiguousarray(x_P3[:, axis]) for axis in range(3)]
    total, square = np.empty_like(axes[0]), np.empty_like(axes[0])

    def squares_from(centre_3: NDArray[np.float32]) -> NDArray[np.float32]:
        for axis, out in enumerate((total, square, square)):
            np.subtract(axes[axis], centre_3[axis], out=out)
            np.multiply(out, out, out=out)
            if axis:
                np.add(total, square, out=total)
        return total

    distance = np.full_like(total, np.inf)
    radius = squares_from(np.zeros(3, dtype=np.float32))
    chosen = [int(radius.argmax()) if first is None else first]
    if skip_origin:
        distance[radius.astype(np.float64) <= ORIGIN] = -1.0
    for _ in range(count - 1):
        np.minimum(distance, squares_from(x_P3[chosen[-1]]), out=distance)
        chosen.append(int(distance.argmax()))
    return np.asarray(chosen)


@torch.no_grad()
def nearest_neighbours(x_BM3: Tensor, centres_BN3: Tensor, count: int) -> Tensor:
    """Indices (B, N, count) of the points nearest to each centre, nearest first.

    Centres are taken in portions where the matrix of distances would be large.

    Raises:
        ValueError: a cloud has fewer than `count` points.

    """
    batch, points = x_BM3.shape[:2]
    if count > points:
        raise ValueError(f"{count} neighbours are asked for, but clouds have {points} points")
    if torch.compiler.is_exporting():  # a program for batches of any size has no portions, and no sorting by bits
        return squared_distances(centres_BN3.float(), x_BM3.float()).topk(count, dim=-1, largest=False, sorted=True).indices
    portion = max(1, MAX_DISTANCES // (batch * points))
    portions = [_nearest(x_BM3.float(), part, count) for part in centres_BN3.float().split(portion, dim=1)]
    return torch.cat(portions, dim=1)


def _nearest(x_BM3: Tensor, centres_BN3: Tensor, count: int) -> Tensor:
    """Searches by keys that are all different: the bits of a distance that is not negative are ordered as it is."""
    bits = squared_distances(centres_BN3, x_BM3).view(torch.int32).long()
    keys = bits.bitwise_left_shift_(32).bitwise_or_(torch.arange(x_BM3.shape[1], device=x_BM3.device))
    smallest = keys.topk(count, dim=-1, largest=False, sorted=True).values
    return smallest & 0xFFFFFFFF


def interpolate(values_BND: Tensor, centres_BN3: Tensor, x_BP3: Tensor, count: int = 3) -> Tensor:
    """Values at centres as values (B, P, D) at points: the mean of the nearest three, by the inverse of their squared distances.

    The feature propagation of PointNet++ (arXiv 1706.02413, equation 2). It is computed in float32, as a product with a sparse
    matrix that is held densely: this has a gradient that is the same each time, and takes less memory than gathering.
    """
    weights_BPN = _weights(centres_BN3.float(), x_BP3.float(), min(count, centres_BN3.shape[1]))
    with torch.autocast(values_BND.device.type, enabled=False):
        return weights_BPN @ values_BND.float()


@torch.no_grad()
def _weights(centres_BN3: Tensor, x_BP3: Tensor, count: int) -> Tensor:
    nearest_BPK = nearest_neighbours(centres_BN3, x_BP3, count)
    rows = torch.arange(len(x_BP3), device=x_BP3.device)
    squares = (x_BP3.unsqueeze(2) - centres_BN3[rows[:, None, None], nearest_BPK]).square()
    inverse_BPK = 1 / (squares[..., 0] + squares[..., 1] + squares[..., 2] + _TINY)
    shares_BPK = inverse_BPK / inverse_BPK.sum(dim=-1, keepdim=True)
    weights_BPN = torch.zeros(*x_BP3.shape[:2], centres_BN3.shape[1], device=x_BP3.device)
    return weights_BPN.scatter_(2, nearest_BPK, shares_BPK)
