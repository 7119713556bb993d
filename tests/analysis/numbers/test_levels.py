"""Means over two levels of seeds: textbook examples, other packages, and simulations of coverage."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from m2pt.analysis.numbers.draws import Draw, complete_layout, layout
from m2pt.analysis.numbers.statistics import Estimate, estimate, over_seeds, units

# O. L. Davies and P. L. Goldsmith, Statistical Methods in Research and Production (1972), Table 6.3: yield of dyestuff (grams of
# standard colour) from six batches, five preparations each. In lme4's documentation, `lmer(Yield ~ 1 + (1 | Batch), Dyestuff)`
# gives the intercept 1527.50 with the standard error 19.38, and the standard deviations 42.00 (Batch) and 49.51 (residual).
DYESTUFF = (
    (1545, 1440, 1440, 1520, 1580), (1540, 1555, 1490, 1560, 1495), (1595, 1550, 1605, 1510, 1560),
    (1445, 1440, 1595, 1465, 1545), (1595, 1630, 1515, 1635, 1625), (1520, 1455, 1450, 1480, 1445),
)  # fmt: skip

Table = NDArray[np.float64]


def crossed(table: Table) -> dict[Draw, float | None]:
    """Replicates in rows, seeds in columns."""
    return {Draw(seed, row): float(value) for row, values in enumerate(table) for seed, value in enumerate(values)}


def paired(table: Table) -> dict[Draw, float | None]:
    """Replicates in rows, each with seeds of its own."""
    columns = table.shape[1]
    return {Draw(row + len(table) * column, row): float(table[row, column]) for row, column in np.ndindex(len(table), columns)}


def two_way(rng: np.random.Generator, shape: tuple[int, int], replicates: float, seeds: float) -> Table:
    """Mean 0, with these standard deviations of replicates and seeds beside a residual of 1."""
    rows, columns = shape
    return rng.normal(0, replicates, (rows, 1)) + rng.normal(0, seeds, (1, columns)) + rng.normal(0, 1, shape)


def covers(value: Estimate, truth: float = 0.0) -> bool:
    return value.low is not None and value.high is not None and value.low <= truth <= value.high


def test_layouts() -> None:
    assert layout([Draw(0), Draw(1)]) == "one level"
    assert layout([Draw(0, 0), Draw(1, 1)]) == "one level"
    assert layout([Draw(0, 0), Draw(1, 1), Draw(2, 0), Draw(3, 1)]) == "nested"
    assert layout([Draw(0, 0), Draw(0, 1)]) == "crossed"


def test_a_replicate_for_each_seed_is_the_t_interval_and_covers_encoders() -> None:
    scores = [1.0, 2.5, 0.5, 3.0]
    value = over_seeds({Draw(seed, seed): score for seed, score in enumerate(scores)})
    plain = estimate(scores)
    assert (value.low, value.high, value.p_value) == (plain.low, plain.high, plain.p_value)
    assert (value.replicates, value.covers_encoders, value.units) == (4, True, 4)
    assert (plain.replicates, plain.covers_encoders) == (1, False)


def test_batches_of_dyestuff_have_the_standard_error_that_lme4_prints() -> None:
    value = over_seeds(paired(np.array(DYESTUFF, dtype=float)))
    assert value.mean == pytest.approx(1527.5)
    (component,) = value.components
    assert np.sqrt(component.variance) == pytest.approx(19.38, abs=0.005)
    assert (value.n, value.replicates, component.freedom) == (30, 6, 5)
    means = np.mean(DYESTUFF, axis=1)
    interval = stats.ttest_1samp(means, 0).confidence_interval()
    assert (value.low, value.high) == pytest.approx((interval.low, interval.high))


def test_a_nested_mean_is_that_of_the_mixed_model_of_statsmodels() -> None:
    import statsmodels.formula.api as smf

    frame = pd.DataFrame([(batch, y) for batch, values in enumerate(DYESTUFF) for y in values], columns=["batch", "y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of how flat the likelihood is
        fitted = smf.mixedlm("y ~ 1", frame, groups=frame["batch"]).fit(reml=True)
    (component,) = over_seeds(paired(np.array(DYESTUFF, dtype=float))).components
    assert component.variance == pytest.approx(float(fitted.bse_fe["Intercept"]) ** 2, rel=1e-3)


def test_a_crossed_mean_has_the_mean_squares_of_an_analysis_of_variance() -> None:
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    table = two_way(np.random.default_rng(4), (3, 5), 1.0, 0.5)
    frame = pd.DataFrame([(r, s, table[r, s]) for r, s in np.ndindex(table.shape)], columns=["replicate", "seed", "y"])
    squares = anova_lm(smf.ols("y ~ C(replicate) + C(seed)", frame).fit())["mean_sq"]
    value = over_seeds(crossed(table))
    assert value.mean == pytest.approx(table.mean())
    assert [(item.variance * 15, item.freedom) for item in value.components] == [
        (pytest.approx(squares["C(replicate)"]), 2), (pytest.approx(squares["C(seed)"]), 4),
    ]  # fmt: skip
    # Banerjee's interval, written out: each mean square with the quantile of its own degrees of freedom.
    reach = sum(stats.t.ppf(0.975, f) ** 2 * squares[name] / 15 for name, f in (("C(replicate)", 2), ("C(seed)", 4)))
    assert value.half_width == pytest.approx(np.sqrt(reach))
    assert (value.replicates, value.units, value.n) == (3, 3, 15)


@pytest.mark.parametrize("mean", [0.0, 0.4, 3.0, 40.0])
def test_the_p_value_is_where_the_interval_ends_at_zero(mean: float) -> None:
    table = two_way(np.random.default_rng(1), (2, 4), 0.5, 0.5)
    value = over_seeds(crossed(table - table.mean() + mean))
    assert value.p_value is not None
    assert value.half_width_at(1 - value.p_value) == pytest.approx(mean, abs=1e-9)
    assert (value.p_value < 0.05) == (value.sign != 0)


def test_half_widths_at_other_levels_are_those_of_scipy() -> None:
    scores = [1.0, 2.5, 0.5, 3.0]
    interval = stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert estimate(scores).half_width_at(0.9) == pytest.approx((interval.high - interval.low) / 2)
    assert estimate([1.0]).half_width_at(0.9) is None


@pytest.mark.parametrize("shape", [(2, 3), (2, 8), (3, 3), (4, 4), (5, 3)])
def test_crossed_intervals_cover_whatever_the_ratio_of_the_variances(shape: tuple[int, int]) -> None:
    rng, studies = np.random.default_rng(sum(shape)), 700
    for replicates, seeds in itertools.product((0.0, 0.5, 3.0), repeat=2):
        covered = sum(covers(over_seeds(crossed(two_way(rng, shape, replicates, seeds)))) for _ in range(studies))
        assert covered / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies), (replicates, seeds)


@pytest.mark.parametrize("replicates", [0.0, 0.35, 2.0])
def test_paired_intervals_cover_with_fewer_replicates_than_seeds(replicates: float) -> None:
    rng, studies = np.random.default_rng(8), 2000
    covered = over_draws = 0
    for _ in range(studies):
        values = paired(rng.normal(0, replicates, (3, 1)) + rng.normal(0, 1, (3, 4)))
        covered += covers(over_seeds(values))
        over_draws += covers(estimate([value for value in values.values() if value is not None]))
    assert covered / studies == pytest.approx(0.95, abs=0.016)
    assert replicates < 2 or over_draws / studies < 0.8  # twelve draws are not twelve independent numbers


def test_a_nested_mean_without_some_draws_stays_on_the_safe_side() -> None:
    rng, studies, covered = np.random.default_rng(3), 2000, 0
    for _ in range(studies):
        values = paired(rng.normal(0, 0.2, (3, 1)) + rng.normal(0, 1, (3, 4)))
        lost = {Draw(0, 0), Draw(3, 0), Draw(6, 0), Draw(1, 1)}  # one replicate keeps one draw, one keeps three, one all
        covered += covers(over_seeds({draw: None if draw in lost else value for draw, value in values.items()}))
    assert covered / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)


def test_missing_draws_of_a_crossed_layout_cost_whole_seeds_or_replicates_and_are_counted() -> None:
    table = two_way(np.random.default_rng(2), (3, 4), 1.0, 1.0)
    values = crossed(table)
    values[Draw(2, 1)] = None
    value = over_seeds(values)
    assert (value.n, value.dropped) == (9, 3)
    assert value.mean == pytest.approx(table[:, [0, 1, 3]].mean())
    lost = {draw: None if draw.encoders == 1 and draw.seed > 0 else number for draw, number in crossed(table).items()}
    value = over_seeds(lost)
    assert (value.n, value.dropped, value.replicates) == (8, 4, 2)
    assert complete_layout([Draw(0, 0), Draw(1, 0), Draw(0, 1)]) == ([0, 1], [0])


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({Draw(0, 0): 1.0, Draw(0, 1): 2.0}, "n=2, one fine-tuning seed, no interval"),
        ({Draw(0, 0): 1.0, Draw(1, 0): 2.0, Draw(0, 1): None, Draw(1, 1): None}, "n=2, one pretraining seed, no interval"),
        ({Draw(0, 0): 1.0, Draw(1, 1): None, Draw(2, 0): 2.0, Draw(3, 1): None}, "n=2, one pretraining seed, no interval"),
        ({Draw(0, 0): 1.0, Draw(1, 1): None}, "n=1, no interval"),
        ({Draw(seed, row): 2.0 for seed in (0, 1) for row in (0, 1)}, "n=4, all equal, no interval"),
        ({Draw(0, 0): None, Draw(0, 1): None}, "no result"),
    ],
)
def test_one_replicate_or_one_seed_has_no_interval(values: dict[Draw, float | None], note: str) -> None:
    value = over_seeds(values)
    assert (value.half_width, value.p_value, value.note) == (None, None, note)


def test_the_independent_numbers_are_draws_or_means_of_replicates() -> None:
    assert units({Draw(0): 1.0, Draw(1): None, Draw(2): 3.0}) == [1.0, 3.0]
    assert units({Draw(0, 0): 1.0, Draw(1, 1): 2.0, Draw(2, 0): 3.0, Draw(3, 1): None}) == [2.0, 2.0]
    assert units({Draw(0, 0): 1.0, Draw(0, 1): 2.0}) == []
