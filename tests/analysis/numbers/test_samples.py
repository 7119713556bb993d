"""Test samples as a sample: against statsmodels, scipy and closed forms, and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar

from m2pt.analysis.numbers import samples
from m2pt.analysis.numbers.cells import Cell, Condition, Run
from m2pt.analysis.numbers.comparisons import Comparison
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import averaged, over_seeds

CONDITION = Condition("pretrained", "full")


def cell(target, method, auxiliary, rows, scores, metric="accuracy", samples_sha256="a"):
    """A cell with a run for each row of what the samples scored (None: a run that failed); the rows are put into `scores`."""
    runs = {}
    for seed, row in enumerate(rows):
        name = f"{target}-{auxiliary}-{method}-{seed}"
        if row is None:
            runs[Draw(seed)] = Run(0, name, "failed")
            continue
        scores[name] = np.asarray(row)
        mean = 100 * float(np.nanmean(np.asarray(row, dtype=float)))
        runs[Draw(seed)] = Run(0, name, "complete", mean, samples_sha256=samples_sha256)
    return Cell(CONDITION, target, method, auxiliary, metric, runs)


def comparison(target, auxiliary, mine, theirs, scores, **more):
    first = cell(target, "pathway", auxiliary, mine, scores, **more)
    second = cell(target, "random_auxiliary", "random", theirs, scores, metric=more.get("metric", "accuracy"))
    return Comparison(first, second, "pair", "random", first.gain(second))


def answers(draws, count, seed, chance=0.6):
    return np.random.default_rng(seed).random((draws, count)) < chance


def test_mean_squares_are_those_of_a_two_way_analysis_of_variance():
    table = np.random.default_rng(0).normal(size=(4, 9)) + np.arange(9) / 5
    rows = [(i, j, value) for (i, j), value in np.ndenumerate(table)]
    expected = anova_lm(ols("y ~ C(draw) + C(sample)", pd.DataFrame(rows, columns=["draw", "sample", "y"])).fit())["mean_sq"]
    found = samples.squares(table)
    assert found == pytest.approx((expected["C(draw)"], expected["C(sample)"], expected["Residual"]))


def test_the_interval_over_seeds_is_widened_by_what_the_samples_add():
    scores = {}
    item = comparison("image", "audio", answers(4, 60, 1, 0.8), answers(4, 60, 2, 0.5), scores)
    found = samples.over_samples(item.estimate, [item], scores)
    table = 100.0 * (answers(4, 60, 1, 0.8).astype(float) - answers(4, 60, 2, 0.5).astype(float))
    squares = samples.squares(table)
    added = max(0.0, squares.samples - squares.rest) / 240
    of_draws, of_samples = stats.t.ppf(0.975, [3, 59])
    expected = math.hypot(of_draws * math.sqrt(squares.draws / 240), of_samples * math.sqrt(added))
    assert found.further.mean == pytest.approx(table.mean()) == item.estimate.mean
    assert found.further.half_width == pytest.approx(expected)
    assert found.further.half_width >= item.estimate.half_width
    assert found.samples == (60,)


def test_of_these_runs_the_interval_is_a_t_interval_over_the_samples_means():
    scores = {}
    item = comparison("image", "audio", answers(3, 80, 3, 0.7), answers(3, 80, 4), scores)
    found = samples.over_samples(item.estimate, [item], scores)
    of_samples = 100.0 * (answers(3, 80, 3, 0.7).astype(float) - answers(3, 80, 4)).mean(axis=0)
    expected = stats.ttest_1samp(of_samples, 0)
    assert (found.runs.mean, found.runs.p_value) == pytest.approx((of_samples.mean(), expected.pvalue))
    interval = expected.confidence_interval(0.95)
    assert (found.runs.low, found.runs.high) == pytest.approx((interval.low, interval.high))
    assert not found.exact


def test_of_one_run_each_the_test_is_mcnemars():
    scores = {}
    item = comparison("image", "audio", answers(1, 200, 5, 0.7), answers(1, 200, 6), scores)
    found = samples.over_samples(item.estimate, [item], scores)
    one, other = answers(1, 200, 5, 0.7)[0], answers(1, 200, 6)[0]
    table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
    assert found.exact and found.runs.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.further.half_width is None, "one seed is no sample of seeds"
    assert samples.mcnemar(np.zeros(5)) == 1.0


def test_pairs_of_one_target_share_their_samples_and_those_of_others_do_not():
    scores = {}
    theirs = {"image": answers(4, 50, 7), "audio": answers(4, 70, 8)}
    parts = [("image", "audio", 50, 9), ("image", "point", 50, 10), ("audio", "image", 70, 11)]
    items = [comparison(t, a, answers(4, n, seed, 0.7), theirs[t], scores) for t, a, n, seed in parts]
    value = over_seeds(averaged([item.differences for item in items]))
    found = samples.over_samples(value, items, scores)
    of_image = 50.0 * sum(answers(4, 50, seed, 0.7).astype(float) - theirs["image"] for seed in (9, 10))
    of_audio = 100.0 * (answers(4, 70, 11, 0.7).astype(float) - theirs["audio"])
    fixed = (4 / 9 * of_image.mean(axis=0).var(ddof=1) / 50, 1 / 9 * of_audio.mean(axis=0).var(ddof=1) / 70)
    quantiles = stats.t.ppf(0.975, [49, 69])
    assert found.runs.half_width == pytest.approx(math.sqrt(sum(q**2 * v for q, v in zip(quantiles, fixed, strict=True))))
    assert found.further.mean == value.mean and found.further.half_width >= value.half_width
    assert found.samples == (50, 70)


def test_a_run_that_failed_costs_its_draw_and_shapes_without_a_score_their_columns():
    scores = {}
    ious = np.random.default_rng(12).random((3, 20))
    ious[:, 4] = math.nan
    item = comparison("point", "image", [None, ious[1], ious[2]], np.roll(ious, 3, axis=0) * 0.9, scores, metric="miou_instance")
    found = samples.over_samples(item.estimate, [item], scores)
    assert (item.estimate.n, item.estimate.dropped, found.samples) == (2, 1, (19,))
    assert found.runs.mean == item.estimate.mean and found.runs.half_width > 0


def test_a_target_all_of_whose_runs_failed_is_no_part_of_an_average():
    scores = {}
    items = [comparison("image", "audio", answers(3, 50, 1), answers(3, 50, 2), scores)]
    items.append(comparison("audio", "image", [None, None, None], answers(3, 70, 3), scores))
    value = over_seeds(averaged([items[0].differences]))
    found = samples.over_samples(value, items, scores)
    assert found == samples.over_samples(value, items[:1], scores)
    assert found.samples == (50,)


@pytest.mark.parametrize(
    ("metric", "forget", "other_samples", "why"),
    [
        ("accuracy", True, False, "it is not known for all runs what each test sample scored"),
        ("map", True, False, "the score is no mean over samples"),
        ("accuracy", False, True, "the runs were scored on different samples"),
        ("accuracy", False, False, ""),
    ],
)
def test_what_is_missing_for_a_statement_about_test_samples_is_said(metric, forget, other_samples, why):
    scores = {}
    more = {"metric": metric, "samples_sha256": "b" if other_samples else "a"}
    item = comparison("image", "audio", answers(2, 30, 1), answers(2, 30, 2), scores, **more)
    if forget:
        scores.popitem()
    assert samples.lack([item], scores) == why
    assert (samples.over_samples(item.estimate, [item], scores) is None) == bool(why)


@pytest.mark.parametrize("draws", [2, 4, 10])
@pytest.mark.parametrize(("of_draws", "of_samples"), [(0.0, 0.0), (0.0, 1.0), (0.1, 0.5), (0.5, 0.5)])
def test_the_interval_covers_at_least_as_often_as_it_says(draws, of_draws, of_samples):
    """The seeds' own interval does not, where a fixed test set moves the difference."""
    rng, studies, count = np.random.default_rng(draws), 1500, 60
    parts = (studies, draws, 1), (studies, 1, count), (studies, draws, count)
    tables = sum(size * rng.standard_normal(shape) for size, shape in zip((of_draws, of_samples, 1.0), parts, strict=True))
    covered = np.mean([_covers(table) for table in tables])
    assert covered >= 0.95 - 2.33 * math.sqrt(0.95 * 0.05 / studies)
    if (of_draws, of_samples, draws) == (0.0, 1.0, 10):
        assert np.mean([abs(stats.ttest_1samp(table.mean(axis=1), 0).statistic) < 2.262 for table in tables]) < 0.6


def _covers(table):
    value = over_seeds({Draw(seed): float(mean) for seed, mean in enumerate(table.mean(axis=1))})
    found = samples.widened(value, [samples.sample_component(table)])
    return found.low <= 0 <= found.high


def test_the_p_value_agrees_with_the_interval():
    table = np.random.default_rng(3).normal(0.4, 1, (4, 40)) + np.random.default_rng(4).normal(size=40)
    value = over_seeds({Draw(seed): float(mean) for seed, mean in enumerate(table.mean(axis=1))})
    found = samples.widened(value, [samples.sample_component(table)])
    assert found.half_width_at(1 - found.p_value) == pytest.approx(abs(found.mean))
    assert (found.p_value < 0.05) == bool(found.sign)
