"""Weighted order and held-out samples."""

import pytest
import torch
from torch.utils.data import WeightedRandomSampler

from m2pt.config import UserError
from m2pt.training.sampling import holdout, weighted_order, weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_weights_are_inverse_frequencies_summed_over_labels():
    labels = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=torch.float32)
    of_class = [1000 / 3.01, 1000 / 1.01, 1000 / 2.01]
    expected = [of_class[0], of_class[0] + of_class[1], of_class[2], of_class[0] + of_class[2], 0.0]
    assert weights(labels).tolist() == pytest.approx(expected)
    assert weights(labels).dtype == torch.float64
    assert weights(torch.tensor([2, 0, 2])).tolist() == pytest.approx([1000 / 2.01, 1000 / 1.01, 1000 / 2.01])


def test_samples_are_drawn_without_replacement_as_often_as_their_weights_say():
    labels = torch.tensor([0] * 8 + [1] * 4 + [2] * 2)
    expected = weights(labels) / weights(labels).sum()
    source, firsts = generator(), torch.zeros(14)
    for _ in range(6000):
        order = weighted_order(labels, 3, source)
        assert len(set(order.tolist())) == 3
        firsts[order[0]] += 1
    # Each class weighs the same, so each sample of the rarest comes four times as often as one of the most frequent.
    assert float(expected[13]) == pytest.approx(4 * float(expected[0]), rel=0.01)
    assert (firsts / 6000 - expected).abs().max() < 4 * (0.17 * 0.83 / 6000) ** 0.5


def test_the_second_draw_is_by_the_weights_of_what_is_left():
    labels = torch.tensor([0, 0, 1])
    source, seconds = generator(), torch.zeros(3)
    for _ in range(6000):
        order = weighted_order(labels, 2, source)
        if order[0] == 2:
            seconds[order[1]] += 1
        assert sorted(weighted_order(labels, 3, source).tolist()) == [0, 1, 2]
    assert seconds[2] == 0
    assert abs(float(seconds[0] / seconds.sum()) - 0.5) < 0.04


def test_with_replacement_samples_come_as_often_as_their_weights_say():
    """AudioSet-2M's 200,000 draws an epoch, as `WeightedRandomSampler(weights, 200000, replacement=True)` takes them."""
    labels = torch.tensor([0] * 8 + [1] * 4 + [2] * 2)
    expected = weights(labels) / weights(labels).sum()
    order = weighted_order(labels, 60_000, generator(), replacement=True)
    shares = torch.bincount(order, minlength=14) / 60_000
    assert (shares - expected).abs().max() < 4 * (0.17 * 0.83 / 60_000) ** 0.5
    sampler = WeightedRandomSampler(weights(labels), 60_000, replacement=True, generator=generator())
    assert order.tolist() == list(sampler)
    with pytest.raises(UserError, match="0 training samples are labelled"):
        weighted_order(torch.zeros(3, 2), 2, generator(), replacement=True)


def test_equal_seeds_give_equal_orders():
    labels = (torch.rand(200, 6, generator=generator()) < 0.3).float()
    labels[:, 0] = 1
    assert torch.equal(weighted_order(labels, 50, generator(3)), weighted_order(labels, 50, generator(3)))
    assert not torch.equal(weighted_order(labels, 50, generator(3)), weighted_order(labels, 50, generator(4)))


def test_more_than_there_are_cannot_be_drawn():
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    with pytest.raises(UserError, match=r"finetune\.epoch_samples: 3 are to be drawn, but 2 training samples are labelled"):
        weighted_order(labels, 3, generator())


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_every_class_gives_its_share(fraction):
    labels = torch.tensor([0] * 40 + [1] * 20 + [2] * 7 + [4] * 3 + [5])[torch.randperm(71, generator=generator())]
    kept, held = holdout(labels, fraction, 5)
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(71))
    assert torch.equal(kept, kept.sort().values)
    assert torch.equal(held, held.sort().values)
    for label, count in ((0, 40), (1, 20), (2, 7), (4, 3), (5, 1)):
        found = int((labels[held] == label).sum())
        assert abs(found - fraction * count) < 1
        assert found < count
    assert abs(len(held) - fraction * 71) < 2  # the smallest classes keep what they have


@pytest.mark.parametrize("labels", [torch.ones(100, 3), torch.arange(100)], ids=["tags", "not known"])
def test_samples_without_classes_are_split_at_random(labels):
    kept, held = holdout(labels, 0.2, 0)
    assert len(held) == 20
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(100))
    assert held.float().mean() == pytest.approx(49.5, abs=20)


@pytest.mark.parametrize("labels", [torch.arange(60) % 3, torch.ones(60, 2)], ids=["one label", "tags"])
def test_held_out_samples_follow_from_the_seed(labels):
    first, again, other = holdout(labels, 0.3, 1), holdout(labels, 0.3, 1), holdout(labels, 0.3, 2)
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_nothing_is_held_out_only_where_nothing_is_asked_for():
    kept, held = holdout(torch.tensor([0, 1, 0]), 0.0, 0)
    assert kept.tolist() == [0, 1, 2]
    assert len(held) == 0
    for labels in (torch.tensor([0, 1, 0]), torch.ones(3, 2), torch.arange(3)):
        with pytest.raises(UserError, match=r"holdout: 0\.1 of 3 training samples is none"):
            holdout(labels, 0.1, 0)
