"""Averages where runs are missing: exact where nothing is, and intervals that keep their coverage."""

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.averages import balanced, freedom, mean_over, measured
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import averaged, over_seeds
from tests.analysis.oracles import by_seed


def test_where_nothing_is_missing_it_is_the_mean_of_each_draw() -> None:
    values = [by_seed([1.0, 0.1, 0.7]), by_seed([0.3, 0.2, 0.9])]
    assert balanced(values) == averaged(values)
    one = [by_seed([1.0, None]), by_seed([0.3, None])]
    assert balanced(one) == averaged(one)


def test_the_mean_is_that_of_the_means() -> None:
    values = [by_seed([1.0, 2.0, 4.0]), by_seed([10.0, None, 30.0])]
    numbers = [value for value in balanced(values).values() if value is not None]
    assert np.mean(numbers) == pytest.approx((7 / 3 + 20) / 2)


def test_the_spread_is_that_of_the_jackknife_of_scipy() -> None:
    values = [by_seed([1.0, 2.0, 4.0, 2.5]), by_seed([10.0, None, 30.0, 11.0])]
    table = np.array([[np.nan if value is None else value for value in item.values()] for item in values])
    without = [np.nanmean(np.delete(table, draw, axis=1), axis=1).mean() for draw in range(4)]
    error = np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    value = over_seeds(balanced(values))
    assert value.half_width == pytest.approx(stats.t.ppf(0.975, 3) * error)


def test_a_pair_with_one_draw_is_left_out_and_a_draw_without_any_is_dropped() -> None:
    values = [by_seed([1.0, 2.0, None]), by_seed([10.0, None, None])]
    assert measured(values) == [0]
    assert balanced(values) == by_seed([pytest.approx(1.0), pytest.approx(2.0), None])
    assert balanced([by_seed([1.0, None]), by_seed([None, 2.0])]) == by_seed([None, None])
    assert balanced([]) == {}


def test_where_nothing_is_missing_the_draws_have_their_usual_degrees_of_freedom() -> None:
    values = [by_seed([1.0, 0.1, 0.7]), by_seed([0.3, 0.2, 0.9])]
    assert freedom([values]) is None
    assert mean_over(values) == over_seeds(averaged(values))


@pytest.mark.parametrize("replicates", [None, 3])
def test_the_degrees_of_freedom_are_those_of_the_spread_of_the_variance(replicates: int | None) -> None:
    """Those of the chi-squared distribution with the same mean and variance, by simulation."""
    counts = [[2, 4, 6], [6, 3]]  # the draws of the members of two groups
    rng, studies = np.random.default_rng(0), 200_000
    places = np.arange(6) % (replicates or 6)
    contributions = np.zeros((studies, 6))
    for members in counts:
        for count in members:
            share = np.bincount(places[:count], minlength=6) / count
            noise = rng.normal(size=(studies, 6))
            contributions += share * (noise - (noise * share).sum(axis=1, keepdims=True)) / len(members)
    variances = (contributions**2).sum(axis=1)
    expected = 2 * variances.mean() ** 2 / variances.var()
    draws = [Draw(seed, None if replicates is None else seed % replicates) for seed in range(6)]
    groups = [
        [{draw: 1.0 if place < count else None for place, draw in enumerate(draws)} for count in members] for members in counts
    ]
    assert freedom(groups) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("seeds", [3, 4, 10])
def test_intervals_keep_their_coverage_where_pairs_have_different_numbers_of_draws(seeds: int) -> None:
    """The pairs of a target share its random runs, and all pairs a part of each draw."""
    rng = np.random.default_rng(seeds)
    covered, studies = 0, 1500
    for _ in range(studies):
        there = np.arange(seeds) < rng.integers(2, seeds + 1, (12, 1))
        gains = rng.normal(size=(1, seeds)) + np.repeat(rng.normal(size=(4, seeds)), 3, axis=0) + rng.normal(size=(12, seeds))
        value = mean_over(
            [
                by_seed([float(x) if known else None for x, known in zip(*row, strict=True)])
                for row in zip(gains, there, strict=True)
            ]
        )
        covered += value.low is not None and value.high is not None and value.low <= 0 <= value.high
    assert covered / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize("seeds", [3, 4, 10])
def test_intervals_keep_their_coverage_where_runs_fail_at_random(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    covered, studies = 0, 1500
    for _ in range(studies):
        random = np.where(rng.uniform(size=(4, 1, seeds)) < 0.15, np.nan, rng.normal(size=(4, 1, seeds)))
        gains = rng.permutation(np.repeat([1.5, -1.5], 6)).reshape(4, 3, 1)
        runs = np.where(rng.uniform(size=(4, 3, seeds)) < 0.15, np.nan, gains + rng.normal(size=(4, 3, seeds)))
        items = [
            by_seed([None if np.isnan(value) else float(value) for value in row]) for row in (runs - random).reshape(12, seeds)
        ]
        truth = gains.reshape(12)[measured(items)].mean()
        value = mean_over(items)
        covered += value.low is not None and value.high is not None and value.low <= truth <= value.high
    assert covered / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)
