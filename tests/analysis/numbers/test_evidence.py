"""How sure a study is, against numbers computed by hand from its table of runs."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.evidence import evidence, together
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS
from m2pt.analysis.numbers.power import power
from tests.analysis.oracles import equivalence

Gain = Callable[[str, str, int], float]

CONTROLS = (("baseline", ""), ("random_auxiliary", "random"), ("own_lineage", "own"))


def table(gain: Gain, seeds: int = 4, targets: Sequence[str] = ("image", "audio")) -> pd.DataFrame:
    """Runs with scores of 60 and what the cell (`""`, `random`, `own` or an auxiliary) gains."""
    rows = []
    for target in targets:
        pairs = [("pathway", name) for name in ("image", "audio", "point") if name != target]
        for method, name in (*CONTROLS, *pairs):
            auxiliary = target if name == "own" else name
            rows += [(target, method, auxiliary, seed, 60 + gain(target, name, seed)) for seed in range(seeds)]
    runs = pd.DataFrame(rows, columns=["target", "method", "auxiliary", "seed", "test_score"])
    fixed = {"setting": "pretrained", "tuning": "full", "metric": "accuracy", "parts": "", "status": "complete"}
    return runs.assign(**fixed, auxiliary_weights="made", val_score=runs["test_score"])


def spread(target: str, name: str, seed: int) -> float:
    """Gains that differ by target, auxiliary and seed; random weights gain a tenth of a point per seed."""
    level = {"": 0.0, "random": 0.5, "own": 4.0, "image": 1.0, "audio": 1.5, "point": 0.2}[name] + (target == "image")
    return level + 0.1 * seed * (seed % 3) * len(name) / 5 if name else 0.0


def test_each_row_says_what_its_seeds_can_show():
    (sureness,) = evidence(summaries(cells(table(spread))))
    names = [(row.comparison.target, row.comparison.auxiliary, row.comparison.role) for row in sureness.rows]
    assert names == [
        ("image", "audio", "pair"), ("image", "point", "pair"), ("image", "image", "lineage"),
        ("audio", "image", "pair"), ("audio", "point", "pair"), ("audio", "audio", "lineage"),
    ]  # fmt: skip
    row = sureness.rows[0]
    gains = [spread("image", "audio", seed) - spread("image", "random", seed) for seed in range(4)]
    deviation = float(np.std(gains, ddof=1))
    assert row.comparison.estimate.mean == pytest.approx(np.mean(gains))
    assert row.level == 0.05 / 6  # the strictest step of the correction for four pairs and two controls
    assert equivalence(gains, row.margin) == pytest.approx(0.05, abs=1e-3)
    largest = deviation * np.sqrt(3 / 0.584374)  # the 10 % quantile of chi-square with 3 degrees of freedom
    assert power(row.detectable, largest, 4, row.level) == pytest.approx(0.8, abs=1e-5)
    needed = [power(1.0, largest, row.seeds_for_point - fewer, row.level) for fewer in (0, 1)]
    assert needed[0] >= 0.8 > needed[1]
    assert row.seeds_for_measured >= power_of_estimates(np.mean(gains), deviation, row.level)


def power_of_estimates(mean: float, deviation: float, level: float) -> int:
    """The seeds that would be needed if the measured size and spread were the true ones."""
    return next(n for n in range(2, 1000) if power(mean, deviation, n, level) >= 0.8)


def test_bootstrap_intervals_are_there_from_enough_seeds_on():
    few, enough = (evidence(summaries(cells(table(spread, seeds))))[0] for seeds in (BOOTSTRAP_SEEDS - 1, BOOTSTRAP_SEEDS))
    assert all(row.bootstrap is None for row in few.rows)
    assert few.together["random"].resampled.low is None
    for row in enough.rows:
        assert row.bootstrap[0] < row.comparison.estimate.mean < row.bootstrap[1]
    assert enough.together["random"].resampled.low < enough.together["random"].resampled.high


def test_all_targets_together_never_pool_their_seeds():
    (summary,) = summaries(cells(table(spread)))
    pooled = together(summary, "baseline")
    gains = {
        ("image", "audio"): [spread("image", "audio", seed) for seed in range(4)],
        ("image", "point"): [spread("image", "point", seed) for seed in range(4)],
        ("audio", "image"): [spread("audio", "image", seed) for seed in range(4)],
        ("audio", "point"): [spread("audio", "point", seed) for seed in range(4)],
    }
    by_seed = np.array(list(gains.values()))
    assert pooled.average.n == pooled.middle.n == 4  # seeds, not seeds times targets
    assert pooled.average.mean == pytest.approx(by_seed.mean())
    middle = np.sort(by_seed, axis=0)[1:3].mean(axis=0)  # of four pairs, the two in the middle, seed by seed
    assert pooled.middle.mean == pytest.approx(middle.mean())
    assert pooled.middle.half_width == pytest.approx(3.182446 * np.std(middle, ddof=1) / 2, rel=1e-5)
    targets = by_seed.mean(axis=1).reshape(2, 2).mean(axis=1)
    assert pooled.targets_like_these.value == pytest.approx(targets.mean())
    half_width = 12.7062 * np.std(targets, ddof=1) / np.sqrt(2)  # one degree of freedom: two targets
    assert pooled.targets_like_these.high - pooled.targets_like_these.value == pytest.approx(half_width, rel=1e-4)
    assert pooled.improvement == 1.0
    assert pooled.margin > abs(pooled.average.mean)


def test_no_difference_is_a_chance_of_one_half():
    (summary,) = summaries(cells(table(lambda target, name, seed: float(seed))))
    pooled = together(summary, "random")
    assert pooled.improvement == 0.5
    assert pooled.margin is None  # all equal: there is no spread to judge by
    assert pooled.average.half_width is None


def test_one_seed_has_means_and_nothing_else():
    (sureness,) = evidence(summaries(cells(table(spread, seeds=1))))
    assert not sureness.has_interval
    assert {(row.bootstrap, row.detectable, row.margin, row.seeds_for_point) for row in sureness.rows} == {(None,) * 4}
    over = sureness.together["random"]
    assert over.average.mean is not None
    assert (over.margin, over.middle.half_width, over.resampled.low, over.targets_like_these.low) == (None,) * 4


def test_a_pair_without_seeds_is_left_out_and_named():
    runs = table(spread, targets=("image", "audio", "point"))
    runs.loc[(runs["target"] == "audio") & (runs["auxiliary"] == "image"), "test_score"] = None
    (summary,) = summaries(cells(runs))
    pooled = together(summary, "random")
    assert (pooled.targets, pooled.left_out) == (("image", "audio", "point"), ("audio from image",))
    assert pooled.average.n == 4 and pooled.middle.n == 0
    assert pooled.targets_like_these.low is not None


def test_one_target_says_nothing_of_others():
    (summary,) = summaries(cells(table(spread, targets=("image",))))
    assert together(summary, "random").targets_like_these is None


def test_without_a_random_control_there_is_nothing_to_be_sure_of():
    runs = table(spread)
    assert evidence(summaries(cells(runs[runs["method"] != "random_auxiliary"]))) == []
    assert together(summaries(cells(runs[runs["method"] == "baseline"]))[0], "baseline") is None
