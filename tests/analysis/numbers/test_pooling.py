"""Numbers over several targets, against hand-made cases, other packages and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.pooling import (
    BOOTSTRAP_SEEDS,
    bootstrap,
    interquartile_mean,
    probability_of_improvement,
    random_effects,
    stratified,
)


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    assert interquartile_mean({"a": [0, 1, 2, 3], "b": [4, 5, 6, 100]}) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_probability_of_improvement_counts_pairs_within_targets():
    first, second = {"a": [1, 3], "b": [5]}, {"a": [2, 0], "b": [5]}
    # a: 1 > 0, 3 > 2, 3 > 0 of four pairs; b: a tie.
    assert probability_of_improvement(first, second) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_the_bootstrap_is_a_percentile_interval_widened_to_the_reach_of_t():
    values = np.random.default_rng(4).normal(1, 2, 10)
    low, high = bootstrap(values)
    means = np.random.default_rng(9).choice(values, (40_000, 10)).mean(axis=1)
    tail = stats.norm.cdf(-math.sqrt(10 / 9) * stats.t.ppf(0.975, 9))  # Hesterberg (2015), section 5.3
    assert (low, high) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.15)
    assert high - low > np.diff(np.quantile(means, [0.025, 0.975]))
    assert bootstrap(values) == (low, high)


def test_too_few_seeds_have_no_bootstrap():
    values = np.random.default_rng(4).normal(1, 2, BOOTSTRAP_SEEDS)
    assert bootstrap(values) is not None
    assert bootstrap(values[1:]) is None
    assert bootstrap([0.5] * BOOTSTRAP_SEEDS) is None
    short = stratified({"a": values, "b": values[1:]})
    assert (short.low, short.high) == (None, None)
    assert short.value == pytest.approx(interquartile_mean({"a": values, "b": values[1:]}))


def test_bootstrap_intervals_that_are_shown_cover():
    rng = np.random.default_rng(2)
    intervals = [bootstrap(rng.normal(0.5, 1.0, BOOTSTRAP_SEEDS)) for _ in range(400)]
    assert np.mean([low <= 0.5 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.033)  # three standard errors


def test_the_bootstrap_never_mixes_targets():
    rng = np.random.default_rng(6)
    scores = {"low": rng.normal(0, 0.1, 10), "middle": rng.normal(5, 0.1, 10), "high": rng.normal(10, 0.1, 10)}
    pooled = stratified(scores)
    # Drawn from one pot, the share of each target would vary, and the mean of the middle half by more than a point.
    assert pooled.low < pooled.value < pooled.high
    assert pooled.high - pooled.low < 0.5
    assert pooled == stratified(scores)


def test_random_effects_worked_example():
    # Equal variances: the pooled mean is the mean of the means, its error theirs (two degrees of freedom).
    offsets = np.array([-0.1, 0.0, 0.1])
    effect = random_effects({"a": 1 + offsets, "b": 2 + offsets, "c": 6 + offsets})
    assert effect.value == pytest.approx(3.0)
    half_width = 4.30265 * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    assert effect.high - effect.value == pytest.approx(half_width, rel=1e-4)
    assert effect.spread == pytest.approx(math.sqrt(7 - 0.01 / 3))  # the variance of the means less that of a mean


def test_random_effects_are_those_of_statsmodels_where_targets_are_equally_precise():
    from statsmodels.stats.meta_analysis import combine_effects

    means, noise = np.array([0.2, 1.1, 0.7, 2.4]), np.array([-0.6, 0.1, 0.5])
    effect = random_effects({str(mean): mean + noise for mean in means})
    variance = noise.var(ddof=1) / 3
    reference = combine_effects(means, np.full(4, variance), method_re="chi2", use_t=True)
    low, high = reference.conf_int(use_t=True)[3]  # of the random effects, by Hartung and Knapp
    assert (effect.value, effect.low, effect.high) == pytest.approx((reference.mean_effect_re, low, high))
    assert effect.spread == pytest.approx(np.sqrt(reference.tau2))


def test_one_target_or_one_seed_has_no_interval_over_targets():
    assert random_effects({"a": [1.0, 2.0]}).low is None
    assert random_effects({"a": [1.0, 2.0], "b": [3.0]}).low is None
    assert random_effects({"a": [1.0, 2.0], "b": [3.0]}).value == pytest.approx(2.25)


def test_random_effects_cover_the_true_mean_where_targets_do_not_differ():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(1500):
        effect = random_effects({target: rng.normal(1.0, 1.0, 3) for target in "abcd"})
        inside += effect.low <= 1.0 <= effect.high
    assert inside / 1500 == pytest.approx(0.95, abs=0.017)


def test_the_chance_to_score_higher_is_the_mean_of_the_u_statistics():
    # arXiv 2108.13264, section 4.2: the probability of improvement is the mean over tasks of U / (N K).
    rng = np.random.default_rng(8)
    first, second = (
        {name: np.round(rng.normal(70, 1, size), 1) for name, size in sizes.items()}
        for sizes in ({"a": 9, "b": 5}, {"a": 4, "b": 7})
    )
    expected = [
        stats.mannwhitneyu(first[name], second[name]).statistic / (len(first[name]) * len(second[name])) for name in first
    ]
    assert probability_of_improvement(first, second) == pytest.approx(np.mean(expected))


def test_the_interquartile_mean_is_the_trimmed_mean_of_all_runs():
    # The same paper, section 4.3: the mean of the middle half of all runs of all tasks together.
    scores = {name: np.random.default_rng(number).normal(70, 3, 6) for number, name in enumerate("abcd")}
    runs = np.sort(np.concatenate(list(scores.values())))
    assert interquartile_mean(scores) == pytest.approx(runs[6:18].mean())
