"""What is done to a cloud in training and in testing."""

import math

import numpy as np
import pytest
import torch

from m2pt.config import ImageInput, PointAugment, PointInput, TestConfig, UserError
from m2pt.modalities.point.transforms.clouds import CloudTransform, cloud_transform, jitter, part_transform, unit_sphere
from m2pt.modalities.point.transforms.geometry import farthest_points
from m2pt.modalities.shared.wanted import Wanted

CONFIG = PointInput(points=8, groups=2, neighbours=2)
CLOUD = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(points):
    return {tuple(point) for point in points.tolist()}


def wanted(augment=None, goal="classification", config=CONFIG, **test):
    return Wanted(config, augment, TestConfig(**test), goal)


def test_a_cloud_is_centred_and_its_farthest_point_is_at_one():
    points = np.random.default_rng(0).normal(size=(20, 3)) * 5 + 100
    cloud = unit_sphere(points, "a.txt")
    centred = points - points.mean(axis=0)
    np.testing.assert_allclose(cloud, centred / max(math.hypot(*point) for point in centred), atol=1e-6)
    assert cloud.dtype == torch.float32


@pytest.mark.parametrize(
    ("points", "message"), [([[1.0, 2, 3]] * 4, "all points coincide"), ([[1.0, 2, math.inf]], "not a finite number")]
)
def test_a_cloud_without_extent_or_numbers_is_named(points, message):
    with pytest.raises(UserError, match=f"a.txt: .*{message}"):
        unit_sphere(np.array(points), "a.txt")


def test_training_chooses_among_the_farthest_points():
    transform = CloudTransform(CONFIG, PointAugment(sample_from=10), 1)
    seen = [transform.train(CLOUD, generator(seed)) for seed in range(40)]
    for points in seen:
        assert points.shape == (8, 3) and len(rows(points)) == 8 and rows(points) <= rows(CLOUD)
        starts = [farthest_points(CLOUD[None], 10, first)[0] for first in range(30)]
        assert any(rows(points) <= rows(CLOUD[pool]) for pool in starts)
    assert len({tuple(sorted(rows(points))) for points in seen}) > 30
    assert len(set.union(*map(rows, seen))) > 20  # from one start there would be 10


def test_without_a_pool_any_points_are_chosen():
    seen = [CloudTransform(CONFIG, PointAugment(sample_from=pool), 1).train(CLOUD, generator(1)) for pool in (None, 30, 2400)]
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2])
    assert len(rows(seen[0])) == 8


def test_a_test_sees_the_farthest_points_from_the_first_on():
    for augment in (None, PointAugment(sample_from=10, scale=(0.5, 2.0), shift=1.0)):
        views = CloudTransform(CONFIG, augment, 1).test(CLOUD, generator())
        assert torch.equal(views, CLOUD[farthest_points(CLOUD[None], 8, 0)])
    assert torch.equal(CloudTransform(CONFIG, None, 1).train(CLOUD, generator()), views[0])


def test_a_whole_cloud_is_seen_but_for_points_at_the_origin():
    cloud = CLOUD.clone()
    cloud[[3, 5]] *= 1e-3
    config = CONFIG.model_copy(update={"points": 30, "skip_origin": True})
    for points in (CloudTransform(config, None, 1).test(cloud, generator())[0],
                   CloudTransform(config, PointAugment(sample_from=2400), 1).train(cloud, generator())):  # fmt: skip
        assert points.shape == (30, 3) and rows(points) == rows(cloud) - rows(cloud[[3, 5]])


def test_votes_are_augmented_views_of_the_same_farthest_points():
    plain = CloudTransform(CONFIG, PointAugment(sample_from=10), 5).test(CLOUD, generator())
    pool = rows(CLOUD[farthest_points(CLOUD[None], 10, 0)[0]])
    assert plain.shape == (5, 8, 3) and all(rows(view) <= pool for view in plain)
    assert len({tuple(sorted(rows(view))) for view in plain}) > 1
    scaled = CloudTransform(CONFIG, PointAugment(sample_from=10, scale=(0.5, 2.0), shift=0.2), 5).test(CLOUD, generator())
    assert all(not rows(view) & pool for view in scaled)


def test_scale_and_shift_stay_in_their_ranges_and_reach_them():
    augment = PointAugment(scale=(2 / 3, 3 / 2), shift=0.2)
    for scales in (1, 3):
        draws = []
        for seed in range(300):
            moved = jitter(torch.tensor([[0.0, 0, 0], [1, 1, 1]]), augment, scales, generator(seed))
            draws.append(torch.cat([moved[1] - moved[0], moved[0]]))
        drawn = torch.stack(draws)
        assert 2 / 3 - 1e-5 <= drawn[:, :3].min() < 0.69 and 1.48 < drawn[:, :3].max() <= 3 / 2 + 1e-5
        assert -0.2 - 1e-5 <= drawn[:, 3:].min() < -0.19 and 0.19 < drawn[:, 3:].max() <= 0.2 + 1e-5
        spread = drawn[:, :3].std(dim=1)
        assert (spread < 1e-5).all() if scales == 1 else (spread > 1e-3).all()


def test_a_turn_keeps_the_upright_axis():
    turned = [jitter(CLOUD, PointAugment(turn=True), 3, generator(seed)) for seed in range(20)]
    for points in turned:
        torch.testing.assert_close(points[:, 1], CLOUD[:, 1])
        torch.testing.assert_close(points.norm(dim=1), CLOUD.norm(dim=1))
        torch.testing.assert_close(torch.linalg.det(torch.linalg.lstsq(CLOUD, points).solution), torch.tensor(1.0))
    assert len({round(float(points[0, 0]), 4) for points in turned}) == 20


def test_parts_are_drawn_with_their_labels_and_scaled_evenly():
    transform = part_transform(wanted(PointAugment(scale=(0.8, 1.25), shift=0.1), "part_segmentation"), "shapenetpart")
    labels = torch.arange(30)
    for few in (3, 30):  # a cloud may have fewer points than the model sees
        points, chosen = transform.test(CLOUD[:few], labels[:few], generator())
        assert points.shape == (8, 3) and torch.equal(points, CLOUD[chosen])
    points, chosen = transform.train(CLOUD, labels, generator())
    ratio = (points - points[0])[1:] / (CLOUD[chosen] - CLOUD[chosen][0])[1:]
    torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "asked", "message"),
    [
        (cloud_transform, wanted(goal="part_segmentation"), "goal classification, not part_segmentation"),
        (part_transform, wanted(), "goal part_segmentation, not classification"),
        (cloud_transform, wanted(config=ImageInput()), "needs an input and augmentation of points"),
        (cloud_transform, wanted(PointAugment(sample_from=7)), "sample_from: 7 points are fewer than the 8"),
        (cloud_transform, wanted(votes=3), "votes differ by the random scales"),
        (part_transform, wanted(PointAugment(sample_from=9), "part_segmentation"), "sample_from: is for classification"),
        (part_transform, wanted(goal="part_segmentation", votes=2), "votes: is for classification"),
    ],
)
def test_what_a_data_set_does_not_have_is_told(make, asked, message):
    with pytest.raises(UserError, match=message):
        make(asked, "these")
