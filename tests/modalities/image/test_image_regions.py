"""The operations of a detector: features of boxes, and boxes that mean the same object."""

import torch
from torchvision.ops import batched_nms, nms
from torchvision.ops.poolers import LevelMapper
from torchvision.ops.roi_align import _roi_align

from m2pt.modalities.image.heads.regions import greedy_nms, iou, levels_of, pooled, roi_align
from m2pt.torchvision_operators import supply_nms

OFFICIAL = _roi_align.__wrapped__
"""Torchvision's own definition of RoIAlign, in plain torch; as `roi_align` it would be compiled first."""


def boxes(count: int, side: float, seed: int = 0) -> torch.Tensor:
    corners = torch.rand(count, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * side
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def test_the_features_of_a_ramp_are_the_middles_of_the_cells():
    """Closed form: bilinear reading of a linear map is exact; pixel i of the map is at i + 1/2."""
    ramp_CHW = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")) + 0.5
    features = roi_align(ramp_CHW, torch.tensor([[2.0, 4.0, 10.0, 12.0]]), 4, 1.0)
    middles = torch.arange(4) * 2 + 1.0
    assert torch.allclose(features[0, 0], (4 + middles)[:, None].expand(4, 4))
    assert torch.allclose(features[0, 1], (2 + middles)[None].expand(4, 4))
    halved = roi_align(ramp_CHW, torch.tensor([[4.0, 8.0, 20.0, 24.0]]), 4, 0.5)
    assert torch.allclose(halved, features)


def test_features_and_their_gradients_are_torchvisions():
    x = torch.rand(3, 16, 20, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(1))
    some = boxes(30, 120.0)
    rows = torch.cat([torch.zeros(30, 1, dtype=torch.float64), some], dim=1)
    ours, theirs = roi_align(x, some, 7, 1 / 8), OFFICIAL(x[None], rows, 1 / 8, 7, 7, 2, True)
    assert torch.allclose(ours, theirs, atol=1e-12)
    weights = torch.rand_like(ours)
    of_ours, of_theirs = (torch.autograd.grad((each * weights).sum(), x)[0] for each in (ours, theirs))
    assert torch.allclose(of_ours, of_theirs, atol=1e-12)


def test_each_box_is_read_from_the_level_that_fits_its_size():
    some = boxes(200, 1000.0)
    assert torch.equal(levels_of(some, 4, 4), LevelMapper(2, 5)([some]))
    levels = [torch.full((2, 1, side, side), float(side)) for side in (32, 16, 8, 4)]
    two = [torch.tensor([[0.0, 0.0, 120.0, 120.0], [0.0, 0.0, 60.0, 60.0]]), torch.tensor([[0.0, 0.0, 20.0, 20.0]])]
    features = pooled(levels, two, 128, 7)
    assert features[:, 0, 0, 0].tolist() == [16.0, 32.0, 32.0]
    assert pooled(levels, [two[0][:0], two[1][:0]], 128, 7).shape == (0, 1, 7, 7)


def test_of_boxes_that_overlap_the_best_remains():
    """Closed form: two squares of side 10, moved by 5: 50 of 150."""
    squares = torch.tensor([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [10.0, 0.0, 20.0, 10.0], [0.0, 0.0, 10.0, 10.0]])
    assert torch.allclose(iou(squares, squares)[0], torch.tensor([1.0, 1 / 3, 0.0, 1.0]))
    scores = torch.tensor([0.5, 0.9, 0.4, 0.6])
    assert greedy_nms(squares, scores, 0.3).tolist() == [1]
    assert greedy_nms(squares, scores, 0.4).tolist() == [1, 3, 2]
    assert greedy_nms(squares, torch.ones(4), 0.4).tolist() == [0, 1, 2], "of equal ones the first"
    assert greedy_nms(squares[:0], scores[:0], 0.4).tolist() == []


def test_torchvisions_models_use_it_where_their_own_operator_does_not_load():
    """Where it does, both are the same."""
    supply_nms(greedy_nms)
    some, scores = boxes(60, 20.0).float(), torch.rand(60, generator=torch.Generator().manual_seed(2))
    for threshold in (0.1, 0.5, 0.9):
        assert torch.equal(nms(some, scores, threshold), greedy_nms(some, scores, threshold))
    labels = torch.arange(60) % 3
    kept = batched_nms(some, scores, labels, 0.3)
    apart = [greedy_nms(some[labels == label], scores[labels == label], 0.3) for label in range(3)]
    assert sorted(kept.tolist()) == sorted(
        int(number) for label in range(3) for number in (labels == label).nonzero()[:, 0][apart[label]]
    )


def test_a_box_that_goes_takes_no_other_with_it():
    """The middle box goes because of the first, so the last stays, though the middle one overlaps it."""
    row = torch.tensor([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [8.0, 0.0, 18.0, 10.0]])
    assert greedy_nms(row, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]
