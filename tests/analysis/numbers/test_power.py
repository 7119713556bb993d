"""What seeds can show, against worked examples and simulation."""

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.power import (
    detectable,
    effect_bound,
    power,
    seeds_needed,
    smallest_margin,
    spread_bound,
)
from m2pt.analysis.numbers.statistics import estimate, over_seeds
from tests.analysis.oracles import equivalence


def test_the_classical_paired_example():
    # G*Power 3.1, t tests, difference between two dependent means, two tails: dz = 0.5, alpha = .05, power = .80 gives n = 34.
    assert seeds_needed(0.5, 1.0) == 34
    assert power(0.5, 1.0, 34) == pytest.approx(0.8078, abs=5e-4)
    assert power(0.5, 1.0, 33) < 0.8


def test_power_is_that_of_statsmodels():
    from statsmodels.stats.power import TTestPower

    for n, effect in ((2, 3.0), (3, 1.0), (5, 0.4), (10, 1.5), (50, 0.1)):
        assert power(effect, 1.0, n) == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-8)
        assert detectable(1.0, n) == pytest.approx(TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), rel=1e-5)


@pytest.mark.parametrize(
    ("effect", "seeds"), [(0.1, 787), (0.5, 34), (1.0, 10), (2.0, 5), (3.0, 4), (5.0, 3), (20.0, 2), (1e4, 2)]
)
def test_seeds_are_found_for_small_and_for_large_effects(effect: float, seeds: int):
    # The first six as statsmodels' TTestPower().solve_power, rounded up; it has none for the last.
    assert seeds_needed(effect, 1.0) == seeds
    assert seeds_needed(-effect, 1.0) == seeds


def test_power_grows_with_the_effect_and_always_has_a_number():
    for n in (2, 3, 4, 10, 100, 1000):
        values = [power(effect, 1.0, n) for effect in np.geomspace(1e-3, 1e3, 60)]
        assert np.all(np.diff(values) >= -1e-7)
        assert 0.05 <= values[0] <= values[-1] <= 1.0


def test_power_is_the_share_of_studies_that_see_the_effect():
    rng = np.random.default_rng(0)
    seen = sum(estimate(rng.normal(1.5, 1.0, 5)).sign == 1 for _ in range(4000)) / 4000
    assert power(1.5, 1.0, 5) == pytest.approx(seen, abs=0.02)


def test_what_is_detectable_has_the_wanted_power_and_no_effect_the_level():
    for n in (3, 5, 10):
        assert power(detectable(2.0, n), 2.0, n) == pytest.approx(0.8, abs=1e-6)
        assert power(0.0, 2.0, n) == pytest.approx(0.05, abs=1e-9)
    assert detectable(2.0, 5) < detectable(2.0, 3)
    assert detectable(2.0, 1) is None
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-3, 1.0) is None


def test_power_at_a_corrected_level_is_that_of_statsmodels():
    from statsmodels.stats.power import TTestPower

    for n, effect, level in ((4, 3.0, 0.05 / 12), (3, 2.0, 0.05 / 3), (10, 1.5, 0.01), (40, 0.4, 0.05 / 48)):
        assert power(effect, 1.0, n, level) == pytest.approx(TTestPower().power(effect, n, level), abs=1e-7)
        assert power(detectable(1.0, n, level=level), 1.0, n, level) == pytest.approx(0.8, abs=1e-6)
        assert detectable(1.0, n, level=level) > detectable(1.0, n)
        assert seeds_needed(effect, 1.0, level=level) >= seeds_needed(effect, 1.0)


@pytest.mark.parametrize("n", [2, 3, 4, 10, 40])
def test_the_bound_of_a_spread_is_that_of_the_textbook(n: int):
    # NIST/SEMATECH e-Handbook, 7.2.3.1: s sqrt((n - 1) / chi-square quantile).
    assert spread_bound(2.0, n) == pytest.approx(2.0 * np.sqrt((n - 1) / stats.chi2.ppf(0.1, n - 1)))
    assert spread_bound(2.0, n, 0.8) < spread_bound(2.0, n)


def test_the_bound_of_an_effect_has_its_probability():
    for n, effect in ((3, 2.0), (4, 1.0), (10, 0.7), (30, 0.2)):
        values = np.random.default_rng(n).normal(effect, 1.0, (3000, n))
        bounds = [effect_bound(mean, spread, n) for mean, spread in zip(values.mean(1), values.std(1, ddof=1), strict=True)]
        assert np.mean(np.array(bounds) > effect) <= 0.1 + 2 * np.sqrt(0.09 / 3000)
    known = effect_bound(3.0, 1.5, 5)  # a true effect there gives a statistic of this size or more with a probability of 10 %
    assert stats.nct.sf(2.0 * np.sqrt(5), 4, known * np.sqrt(5)) == pytest.approx(0.1, abs=1e-6)
    assert effect_bound(-3.0, 1.5, 5) == known
    assert effect_bound(0.1, 1.0, 5) == 0.0


@pytest.mark.parametrize("n", [3, 4, 5, 10])
def test_what_a_pilot_says_suffices_in_nine_studies_of_ten(n: int):
    """The plain estimate of the spread suffices in fewer than half of them."""
    truth, level = 1.41, 0.05 / 12
    spreads = np.random.default_rng(n).normal(0.0, truth, (500, n)).std(1, ddof=1)

    def enough(spread: float) -> bool:
        needed = seeds_needed(1.0, spread, level=level)
        return needed is None or power(1.0, truth, needed, level) >= 0.8

    def seen(spread: float) -> bool:
        return power(detectable(spread, n, level=level), truth, n, level) >= 0.8

    error = 2 * np.sqrt(0.9 * 0.1 / 500)
    assert np.mean([enough(spread_bound(spread, n)) for spread in spreads]) >= 0.9 - error
    assert np.mean([seen(spread_bound(spread, n)) for spread in spreads]) >= 0.9 - error
    assert np.mean([enough(spread) for spread in spreads]) < 0.55


@pytest.mark.parametrize("values", [[0.1, -0.2, 0.0, 0.15], [2.0, 2.5, 1.0], [-1.0, -3.0]])
def test_the_smallest_margin_is_where_equivalence_is_just_shown(values: list[float]):
    margin = smallest_margin(estimate(values))
    assert equivalence(values, margin) == pytest.approx(0.05, abs=2e-3)  # the other one-sided test adds nothing to the larger
    assert equivalence(values, margin * 1.001) < 0.05 < equivalence(values, margin * 0.999)
    assert smallest_margin(estimate(values[:1])) is None
    assert smallest_margin(estimate([1.0, 1.0])) is None


def test_the_spread_comes_back_from_the_interval():
    values = [1.0, 2.5, 0.5, 3.0]
    assert estimate(values).spread == pytest.approx(np.std(values, ddof=1))
    unequal = over_seeds({Draw(seed): value for seed, value in enumerate(values)}, freedom=2.5)
    error = np.std(values, ddof=1) / 2
    assert unequal.half_width == pytest.approx(stats.t.ppf(0.975, 2.5) * error)
    assert unequal.spread == pytest.approx(error * np.sqrt(3.5))  # of as many numbers as the degrees of freedom stand for
