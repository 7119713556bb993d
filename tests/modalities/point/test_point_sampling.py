"""Farthest points, nearest neighbours and interpolation against loops over points that follow their definitions."""

import numpy as np
import pytest
import torch

from m2pt.modalities.point import tokenizer
from m2pt.modalities.point.transforms import geometry
from m2pt.modalities.point.transforms.geometry import farthest_points, interpolate, nearest_neighbours


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def distance(a, b):
    x, y, z = (np.float32(p) - np.float32(q) for p, q in zip(a, b, strict=True))
    return np.float32(np.float32(x * x + y * y) + z * z)


def brute_farthest(cloud, count, first):
    chosen = [first]
    while len(chosen) < count:
        gaps = [min(distance(point, cloud[other]) for other in chosen) for point in cloud]
        chosen.append(gaps.index(max(gaps)))
    return chosen


def brute_nearest(cloud, centre, count):
    return [index for _, index in sorted((distance(centre, point), index) for index, point in enumerate(cloud))[:count]]


def clouds(kind):
    generator = torch.Generator().manual_seed(0)
    if kind == "grid":  # many points are equally far, and some coincide
        return torch.randint(0, 3, (3, 40, 3), generator=generator).float() / 2
    return torch.rand(3, 40, 3, generator=generator) * 2 - 1


@pytest.mark.parametrize("kind", ["random", "grid"])
@pytest.mark.parametrize("first", [0, 7])
def test_farthest_points_are_those_of_brute_force(kind, first):
    x = clouds(kind)
    indices = farthest_points(x, 12, first)
    assert indices.tolist() == [brute_farthest(cloud.numpy(), 12, first) for cloud in x]
    assert torch.equal(torch.cat([farthest_points(cloud[None], 12, first) for cloud in x]), indices)


@pytest.mark.parametrize("kind", ["random", "grid"])
@pytest.mark.parametrize("first", [None, 3])
def test_one_cloud_is_sampled_as_in_a_batch(kind, first):
    x = clouds(kind)
    alone = [farthest_points(cloud[None], 40, first) for cloud in x]
    assert torch.equal(torch.cat(alone), farthest_points(x, 40, first))


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_without_a_first_point_sampling_starts_farthest_from_the_origin(kind):
    x = clouds(kind)
    starts = [max(range(40), key=lambda index: (distance(cloud[index], (0, 0, 0)), -index)) for cloud in x.numpy()]
    assert farthest_points(x, 12).tolist() == [
        brute_farthest(cloud.numpy(), 12, start) for cloud, start in zip(x, starts, strict=True)
    ]


def kernel(cloud, count, threads):
    """What the threads of PointNet++'s CUDA kernel do: each looks at every `threads`-th point, and they compare in pairs."""
    best, nearest = [0], [np.float32(1e10)] * len(cloud)
    while len(best) < count:
        candidates = []
        for thread in range(threads):
            far, chosen = np.float32(-1), 0
            for index in range(thread, len(cloud), threads):
                if float(distance(cloud[index], (0, 0, 0))) <= 1e-3:
                    continue
                nearest[index] = min(nearest[index], distance(cloud[index], cloud[best[-1]]))
                if nearest[index] > far:
                    far, chosen = nearest[index], index
            candidates.append((far, chosen))
        while len(candidates) > 1:
            half = len(candidates) // 2
            candidates = [
                other if other[0] > one[0] else one for one, other in zip(candidates[:half], candidates[half:], strict=True)
            ]
        best.append(candidates[0][1])
    return best


@pytest.mark.parametrize("count", [12, 40])
def test_points_at_the_origin_are_passed_over_as_by_the_published_kernel(count):
    x = clouds("random")
    x[0, 1::3] *= 0.02
    x[1] *= 0.01
    x[2, 7] = 0.0
    indices = farthest_points(x, count, 0, skip_origin=True)
    assert indices.tolist() == [kernel(cloud.numpy(), count, 8) for cloud in x]
    assert torch.equal(torch.cat([farthest_points(cloud[None], count, 0, skip_origin=True) for cloud in x]), indices)
    assert indices.tolist() != farthest_points(x, count, 0).tolist()


@pytest.mark.parametrize("kind", ["random", "grid"])
@pytest.mark.parametrize("held", [1, 500, 10**9])
def test_nearest_neighbours_are_those_of_brute_force_in_any_portions(monkeypatch, kind, held):
    monkeypatch.setattr(geometry, "MAX_DISTANCES", held)
    x = clouds(kind)
    centres = torch.cat([x[:, 3:9], clouds("random")[:, :5]], dim=1)
    expected = [
        [brute_nearest(cloud, centre, 9) for centre in there] for cloud, there in zip(x.numpy(), centres.numpy(), strict=True)
    ]
    assert nearest_neighbours(x, centres, 9).tolist() == expected


def test_far_and_tiny_distances_are_ordered():
    x = torch.tensor([[[1e18, 0, 0], [1e-25, 0, 0], [0, 0, 0], [-1e18, 0, 0], [3e19, 0, 0]]])
    assert nearest_neighbours(x, torch.zeros(1, 1, 3), 5).tolist() == [[[1, 2, 0, 3, 4]]]  # (1e-25)² is 0 in float32


def test_the_matrix_of_distances_is_never_held_whole(monkeypatch):
    monkeypatch.setattr(geometry, "MAX_DISTANCES", 200)
    sizes = []
    whole = geometry.squared_distances
    monkeypatch.setattr(geometry, "squared_distances", lambda a, b: sizes.append(len(a) * a.shape[1] * b.shape[1]) or whole(a, b))
    x = clouds("random")
    nearest_neighbours(x, x, 3)
    assert max(sizes) <= 200 and sum(sizes) == 3 * 40 * 40


def test_more_points_than_there_are_cannot_be_chosen():
    with pytest.raises(ValueError, match="41 farthest points are asked for, but clouds have 40"):
        farthest_points(clouds("random"), 41)
    with pytest.raises(ValueError, match="41 neighbours are asked for, but clouds have 40 points"):
        nearest_neighbours(clouds("random"), clouds("random"), 41)


def test_interpolation_is_the_inverse_distance_mean_of_three_centres():
    centres, x = clouds("random")[:, :6], clouds("random")[:, 10:25]
    values = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(1))
    spread = interpolate(values, centres, x)
    for b in range(3):
        for p in range(15):
            near = brute_nearest(centres[b].numpy(), x[b, p].numpy(), 3)
            weights = [1 / (float(distance(centres[b, index].numpy(), x[b, p].numpy())) + 1e-8) for index in near]
            expected = sum(w * values[b, index] for w, index in zip(weights, near, strict=True)) / sum(weights)
            torch.testing.assert_close(spread[b, p], expected, rtol=1e-5, atol=1e-6)


def test_interpolation_gives_a_centre_its_own_value_and_passes_gradients():
    centres = clouds("random")[:, :6]
    values = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    spread = interpolate(values, centres, centres)
    torch.testing.assert_close(spread, values, rtol=1e-4, atol=1e-4)
    spread.sum().backward()
    torch.testing.assert_close(values.grad.sum(), torch.tensor(3.0 * 6 * 4))
    torch.testing.assert_close(interpolate(values[:, :2], centres[:, :2], centres).sum(-1).shape, torch.Size([3, 6]))


def test_the_embedded_tokenizer_groups_as_ever():
    """Its groups as they were first written: the results of the embedded study depend on every bit of them."""
    x = clouds("random")
    rows = torch.arange(3)
    latest = x.square().sum(-1).argmax(dim=1)
    chosen, gap = [latest], torch.full((3, 40), torch.inf)
    for _ in range(9):
        gap = torch.minimum(gap, (x - x[rows, latest].unsqueeze(1)).square().sum(-1))
        latest = gap.argmax(dim=1)
        chosen.append(latest)
    assert torch.equal(tokenizer.farthest_points(x, 10), torch.stack(chosen, dim=1))
    centres = x[rows[:, None], torch.stack(chosen, dim=1)]
    gaps = (centres.unsqueeze(2) - x.unsqueeze(1)).square().sum(-1)
    assert torch.equal(tokenizer.nearest_neighbours(x, centres, 5), gaps.topk(5, largest=False, sorted=True).indices)
