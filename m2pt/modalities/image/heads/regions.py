"""Features of boxes, and boxes that mean the same object: the two operations of a detector that torch itself does not have.

C channels, H height, W width, N boxes, P rows and columns of what is pooled. Boxes are (left, top, right, bottom) in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLES = 2
"""Points along each side of a cell at which the features are read, as in torchvision's Mask R-CNN."""

AT_ONCE = 128
"""How many boxes are read at once: each takes a map's channels × rows × cells."""

CANONICAL_SIDE, CANONICAL_STRIDE = 224, 16
"""A box of this side is pooled from the map of this stride (FPN, arXiv 1612.03144, equation 1)."""


def roi_align(x_CHW: Tensor, boxes_N4: Tensor, cells: int, scale: float) -> Tensor:
    """RoIAlign (Mask R-CNN, arXiv 1703.06870, section 3; "aligned" as in Detectron2): (N, C, P, P).

    Bilinear weights of rows and of columns, multiplied: equal to torchvision's `roi_align(aligned=True, sampling_ratio=2)` for
    boxes within the picture. It is used everywhere, because the gradient of torchvision's depends on chance on CUDA, and its
    compiled operators do not load beside every build of torch (`m2pt.torchvision_operators`).
    """
    with torch.autocast(x_CHW.device.type, enabled=False):  # places are finer than half precision has them
        return torch.cat([_aligned(x_CHW, part, cells, scale) for part in boxes_N4.split(AT_ONCE)])


def _aligned(x_CHW: Tensor, boxes_N4: Tensor, cells: int, scale: float) -> Tensor:
    """As two plain matrix products: a broadcast one would copy the map for every box."""
    (channels, high, wide), count = x_CHW.shape, len(boxes_N4)
    left_N, top_N, right_N, bottom_N = (boxes_N4.to(x_CHW.dtype) * scale - 0.5).unbind(dim=1)
    columns_NPW = _weights(left_N, right_N, cells, wide)
    rows_NPH = _weights(top_N, bottom_N, cells, high)
    by_column = (x_CHW.flatten(0, 1) @ columns_NPW.flatten(0, 1).T).view(channels, high, count, cells)
    by_row = rows_NPH @ by_column.permute(2, 1, 0, 3).flatten(2)
    pooled_NCPP: Tensor = by_row.view(count, cells, channels, cells).transpose(1, 2)
    return pooled_NCPP


def _weights(start_N: Tensor, end_N: Tensor, cells: int, length: int) -> Tensor:
    """(N, P, length): how much each place along an axis counts in each cell."""
    steps = (torch.arange(cells * SAMPLES, device=start_N.device, dtype=start_N.dtype) + 0.5) / (cells * SAMPLES)
    places_NS = (start_N[:, None] + (end_N - start_N)[:, None] * steps).clamp(0, length - 1)
    grid = torch.arange(length, device=start_N.device, dtype=start_N.dtype)
    hats = (1 - (places_NS[..., None] - grid).abs()).clamp(min=0)
    weights_NPL: Tensor = hats.unflatten(1, (cells, SAMPLES)).mean(dim=2)
    return weights_NPL


def pooled(levels: Sequence[Tensor], boxes: Sequence[Tensor], side: int, cells: int) -> Tensor:
    """The features (sum of N, C, P, P) of the boxes (N, 4) of each picture, each from the level that fits its size.

    `levels` are maps (B, C, H, W), the finest first, of pictures with `side` pixels along each side.
    """
    results = []
    for index, boxes_N4 in enumerate(boxes):
        level_N = levels_of(boxes_N4, len(levels), side / levels[0].shape[-1])
        result = levels[0].new_zeros((len(boxes_N4), levels[0].shape[1], cells, cells))
        for number, maps in enumerate(levels):
            chosen = (level_N == number).nonzero()[:, 0]
            if len(chosen):
                part = roi_align(maps[index], boxes_N4[chosen], cells, maps.shape[-1] / side)
                result = result.index_copy(0, chosen, part)
        results.append(result)
    return torch.cat(results)


def levels_of(boxes_N4: Tensor, count: int, finest: float) -> Tensor:
    """Which of `count` levels, whose strides double from `finest` on, each box is pooled from: (N,) int64."""
    sides_N = ((boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0).prod(dim=1)).sqrt()
    place_N = (CANONICAL_STRIDE / finest) * sides_N / CANONICAL_SIDE
    return torch.log2(place_N + 1e-8).floor().clamp(0, count - 1).long()


def greedy_nms(boxes_N4: Tensor, scores_N: Tensor, threshold: float) -> Tensor:
    """The numbers of the boxes that remain, the best first, if each box that overlaps a better one by more is left out.

    Overlap is intersection over union. Of equal scores the first box is the better one. This is what torchvision's compiled
    operator `nms` computes.
    """
    order = scores_N.argsort(descending=True, stable=True)
    overlaps = (iou(boxes_N4[order], boxes_N4[order]) > threshold).cpu().numpy()
    kept = torch.ones(len(order), dtype=torch.bool).numpy()
    for place in range(len(order)):
        if kept[place]:
            kept[place + 1 :] &= ~overlaps[place, place + 1 :]
    return order[torch.from_numpy(kept).to(order.device)]


def iou(one_N4: Tensor, other_M4: Tensor) -> Tensor:
    """Intersection over union of each pair of boxes: (N, M)."""
    start, end = torch.maximum(one_N4[:, None, :2], other_M4[:, :2]), torch.minimum(one_N4[:, None, 2:], other_M4[:, 2:])
    both = (end - start).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (one_N4, other_M4)]
    return both / (areas[0][:, None] + areas[1] - both)
