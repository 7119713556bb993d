"""Averages where runs are missing: exact where nothing is, and intervals that keep their coverage."""

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.averages import balanced, measured
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
        value = over_seeds(balanced(items))
        covered += value.low is not None and value.high is not None and value.low <= truth <= value.high
    assert covered / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)
