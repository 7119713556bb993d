"""Confidence sequences, against the Bayes factor's definition and against simulations of seeds added until something is shown."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.numbers.sequential import critical, mixture, p_value
from m2pt.analysis.numbers.statistics import estimate


@pytest.mark.parametrize(("n", "statistic", "planned"), [(2, 3.0, 4), (4, 1.0, 4), (5, -6.0, 10), (12, 2.5, 10), (30, 4.0, 20)])
def test_the_p_value_is_one_over_the_bayes_factor_by_its_definition(n: int, statistic: float, planned: int):
    # The likelihood of the t statistic for an effect d in standard deviations is the noncentral t; d is normal with variance g.
    spread = np.sqrt(mixture(planned))

    def joint(effect: float) -> float:
        return stats.nct.pdf(statistic, n - 1, effect * np.sqrt(n)) * stats.norm.pdf(effect, 0, spread)

    ends = np.linspace(-4 * spread, 4 * spread, 41)
    mixed = sum(integrate.quad(joint, low, high)[0] for low, high in itertools.pairwise(ends))
    factor = mixed / stats.t.pdf(statistic, n - 1)
    assert p_value(statistic, n, planned) == pytest.approx(min(1.0, 1 / factor), rel=2e-3)


@pytest.mark.parametrize("level", [0.05, 0.04, 0.01, 0.05 / 12])
def test_the_critical_value_is_where_the_p_value_is_the_level(level: float):
    for n, planned in ((4, 4), (6, 4), (10, 10), (40, 10), (100, 20)):
        assert p_value(critical(n, level, planned), n, planned) == pytest.approx(level, rel=1e-9)
        assert critical(n, level, planned) > stats.t.isf(level / 2, n - 1)  # looking often has its price
    assert critical(1, level, 4) == np.inf
    assert critical(2, level, 50) == np.inf  # two draws cannot show anything there, however large their t statistic is


@pytest.mark.parametrize("planned", [3, 4, 10, 50])
def test_the_interval_is_narrowest_for_the_planned_number(planned: int):
    best = critical(planned, 0.01, planned)
    others = [other for other in range(3, 200) if other != planned]
    assert all(best < critical(planned, 0.01, other) for other in others)


def test_interval_and_p_value_agree():
    rng = np.random.default_rng(0)
    for n in (3, 5, 8, 20):
        for shift in (0.0, 0.5, 2.0, 8.0):
            draws = list(rng.normal(shift, 1.0, n))
            item = Rule(planned=5).judged(estimate(draws))
            assert (item.sign != 0) == (item.p_value <= 0.05)
            assert item.half_width > estimate(draws).half_width
            assert item.mean == estimate(draws).mean


def test_there_is_no_interval_where_nothing_can_be_shown():
    few = Rule(planned=50).judged(estimate([1.0, 2.0], planned=3))
    assert (few.n, few.dropped, few.mean, few.half_width, few.p_value) == (2, 1, 1.5, None, None)
    for values in ([1.0, 1.0, 1.0], [1.0], []):
        assert Rule(planned=4).judged(estimate(values)) == estimate(values)


def test_a_fixed_design_is_judged_by_its_t_interval():
    item = estimate([1.0, 2.0, 4.0])
    assert FIXED.judged(item) == item
    assert FIXED.half_width(item, 0.05) == pytest.approx(4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3))


DRAWS = {
    "normal": lambda rng, shape: rng.normal(0, 1.41, shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, shape),
    "whole samples of 500": lambda rng, shape: np.round(rng.normal(0, 1.41, shape) * 5) / 5,
    "ties": lambda rng, shape: np.round(rng.normal(0, 0.7, shape)),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("most", [10, 20])
def test_seeds_added_until_something_is_shown_show_it_in_at_most_one_study_of_twenty(kind: str, most: int):
    """The same with the t test: in a fifth to a quarter of all studies."""
    studies = 3000
    draws = DRAWS[kind](np.random.default_rng(most), (studies, most))
    shown, by_t_test = np.zeros(studies, bool), np.zeros(studies, bool)
    for n in range(2, most + 1):
        spread = draws[:, :n].std(axis=1, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(spread > 1e-9, np.abs(draws[:, :n].mean(axis=1)) / spread * np.sqrt(n), 0.0)
        shown |= statistic > critical(n, 0.05, planned=4)
        by_t_test |= statistic > stats.t.isf(0.025, n - 1)
    assert shown.mean() <= 0.05
    assert by_t_test.mean() > 0.07


@pytest.mark.parametrize("effect", [0.0, 1.0, -3.0])
def test_the_true_mean_is_in_all_intervals_at_once(effect: float):
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        draws = list(rng.normal(effect, 1.0, 15))
        each = [Rule(planned=5).judged(estimate(draws[:n])) for n in range(3, 16)]
        covered += all(item.low <= effect <= item.high for item in each if item.half_width is not None)
    assert covered / 400 >= 0.95
