"""Numbers over several targets, against hand-made cases and simulation."""

import numpy as np
import pytest

from m2pt.analysis.pooling import interquartile_mean, probability_of_improvement, random_effects, stratified


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    assert interquartile_mean({"a": [0, 1, 2, 3], "b": [4, 5, 6, 100]}) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_probability_of_improvement_counts_pairs_within_targets():
    first, second = {"a": [1, 3], "b": [5]}, {"a": [2, 0], "b": [5]}
    # a: 1 > 0, 3 > 2, 3 > 0 of four pairs; b: a tie.
    assert probability_of_improvement(first, second) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_the_bootstrap_never_mixes_targets():
    scores = {"low": [0.0, 0.0, 0.0], "high": [10.0, 10.0, 10.0]}
    found = stratified(lambda values: float(np.mean([np.mean(part) for part in values.values()])), scores)
    assert (found.value, found.low, found.high) == (5.0, 5.0, 5.0)
    assert stratified(interquartile_mean, {"a": [1.0]}).low is None
    again = stratified(interquartile_mean, {"a": [1.0, 2.0, 4.0, 8.0]})
    assert again == stratified(interquartile_mean, {"a": [1.0, 2.0, 4.0, 8.0]})


def test_random_effects_worked_example():
    # Equal variances: the pooled mean is the mean of the means, its error theirs (two degrees of freedom).
    offsets = np.array([-0.1, 0.0, 0.1])
    found = random_effects({"a": 1 + offsets, "b": 2 + offsets, "c": 6 + offsets})
    assert found.value == pytest.approx(3.0)
    half_width = 4.30265 * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    assert found.high - found.value == pytest.approx(half_width, rel=1e-4)


def test_random_effects_cover_the_true_mean_where_targets_differ():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(1500):
        effects = rng.normal(1.0, 0.8, 4)
        found = random_effects({str(index): rng.normal(effect, 1.0, 4) for index, effect in enumerate(effects)})
        inside += found.low <= 1.0 <= found.high
    assert inside / 1500 == pytest.approx(0.95, abs=0.025)
