import math

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import BySeed, Estimate, differences, estimate, over_seeds
from tests.analysis.oracles import by_seed


def paired(first: BySeed, second: BySeed) -> Estimate:
    return over_seeds(differences(first, second))


def test_interval_equals_the_one_of_scipys_paired_test() -> None:
    rng = np.random.default_rng(3)
    for n in (2, 3, 5, 10):
        first, second = rng.normal(70, 2, n), rng.normal(69, 2, n)
        difference = paired(by_seed(first), by_seed(second))
        reference = stats.ttest_rel(first, second)
        low, high = reference.confidence_interval(0.95)
        assert (difference.low, difference.high) == pytest.approx((low, high))
        assert difference.p_value == pytest.approx(reference.pvalue)
        assert difference.mean == pytest.approx(float(np.mean(first - second)))


def test_interval_of_a_worked_example() -> None:
    # Student's sleep data (Biometrika 6, 1908): extra hours under two drugs, ten patients. Mean difference 1.58,
    # 95 % interval 0.70 to 2.46, p = 0.00283.
    first = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    second = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    difference = paired(by_seed(first), by_seed(second))
    assert difference.mean == pytest.approx(1.58)
    assert (difference.low, difference.high) == pytest.approx((0.7001, 2.4599), abs=1e-4)
    assert difference.p_value == pytest.approx(0.002833, abs=1e-6)
    assert difference.sign == 1


@pytest.mark.parametrize("n", [3, 5])
def test_intervals_of_simulated_studies_cover_the_true_effect(n: int) -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(2000):
        shared = rng.normal(65, 3, n)  # what a seed does to both sides
        first, second = shared + rng.normal(1.3, 1, n), shared + rng.normal(0.3, 1, n)
        difference = paired(by_seed(first), by_seed(second))
        assert difference.low is not None and difference.high is not None
        covered += difference.low <= 1.0 <= difference.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_seed_that_lacks_a_score_on_either_side_is_dropped_and_counted() -> None:
    difference = paired(by_seed([62.0, None, 64.0, 66.0]), by_seed([60.0, 60.0, None, 63.0, 61.0]))
    assert (difference.n, difference.dropped, difference.mean) == (2, 3, pytest.approx(2.5))


@pytest.mark.parametrize(
    ("values", "mean", "note"),
    [([], None, "no result"), ([1.5], 1.5, "n=1, no interval"), ([0.0, 0.0, 0.0], 0.0, "n=3, all equal, no interval")],
)
def test_no_interval_is_made_up(values: list[float], mean: float | None, note: str) -> None:
    value = estimate(values)
    assert (value.mean, value.half_width, value.p_value, value.note, value.sign) == (mean, None, None, note, 0)


def test_equal_differences_give_no_interval_in_spite_of_rounding() -> None:
    assert paired(by_seed([61.9, 55.3]), by_seed([60.2, 53.6])).half_width is None


def test_sign_is_that_of_an_interval_that_excludes_zero() -> None:
    assert [Estimate(3, mean=mean, half_width=1.0).sign for mean in (2.0, 0.5, -0.5, -2.0)] == [1, 0, 0, -1]


def test_a_spread_below_one_test_sample_counts_as_one() -> None:
    """Four seeds that differ by one sample of 800: what the t test alone would call a difference is rounding."""
    values = {Draw(seed): 0.125 * samples for seed, samples in enumerate((1, 1, 1, 2))}
    alone, floored = over_seeds(values), over_seeds(values, step=0.125)
    assert alone.sign == 1 and floored.sign == 0
    error = 0.125 / math.sqrt(4)
    assert floored.half_width == pytest.approx(stats.t.ppf(0.975, 3) * error)
    assert floored.p_value == pytest.approx(2 * stats.t.sf(alone.mean / error, 3))
    assert over_seeds({draw: 10 * value for draw, value in values.items()}, step=0.125) == over_seeds(
        {draw: 10 * value for draw, value in values.items()}
    )


def test_means_of_replicates_move_in_less_than_a_sample_and_crossed_layouts_have_the_same_floor() -> None:
    nested = {Draw(seed, seed % 2): float(seed % 2) * 0.1 + 1.0 for seed in range(6)}
    value = over_seeds(nested, step=0.9)
    assert value.half_width == pytest.approx(stats.t.ppf(0.975, 1) * 0.9 / math.sqrt(3) / math.sqrt(2))
    crossed = {Draw(seed, replicate): 1.0 + 0.01 * seed + 0.02 * replicate for seed in range(3) for replicate in range(2)}
    assert [part.variance for part in over_seeds(crossed, step=0.9).components] == pytest.approx([0.9**2 / 6] * 2)
