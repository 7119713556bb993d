"""Performance profiles against their formulas written plainly, and against scipy's U statistic."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.cells import Cell, Condition, Run
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.profiles import profiles

CONDITION = Condition("pretrained", "full")


def cell(target, method, auxiliary, scores, draws=None, metric="accuracy"):
    draws = draws or [Draw(seed) for seed in range(len(scores))]
    runs = {
        draw: Run(0, f"{draw}", "complete" if score is not None else "failed", score)
        for draw, score in zip(draws, scores, strict=True)
    }
    return Cell(CONDITION, target, method, auxiliary, metric, runs)


def study(count=4, targets=("image", "audio"), seed=0, effect=1.0, draws=None):
    rng = np.random.default_rng(seed)
    cells = []
    for target in targets:
        base = 60 + rng.normal(0, 2, count)
        cells.append(cell(target, "baseline", "", np.round(base, 1).tolist(), draws))
        for auxiliary in ("point", "video"):
            cells.append(cell(target, "pathway", auxiliary, np.round(base + rng.normal(effect, 2, count), 1).tolist(), draws))
        cells.append(cell(target, "random_auxiliary", "random", np.round(base + rng.normal(0, 2, count), 1).tolist(), draws))
    return cells


def gains_of(cells, method):
    """By target: the gain of each run over the baseline of its draw."""
    base = {item.target: item.test for item in cells if item.method == "baseline"}
    found = {}
    for item in cells:
        if item.method == method:
            mine = [round(score - base[item.target][draw], 9) for draw, score in item.test.items()]
            found.setdefault(item.target, []).extend(mine)
    return found


def test_a_profile_is_the_mean_over_targets_of_the_share_of_runs_above_each_threshold():
    cells = study()
    (item,) = profiles(cells)
    assert [profile.method for profile in item.profiles] == ["pathway", "random_auxiliary"]
    for profile in item.profiles:
        gains = gains_of(cells, profile.method)
        for threshold, height in zip(item.thresholds, profile.heights, strict=True):
            assert height == pytest.approx(np.mean([np.mean(np.array(values) > threshold) for values in gains.values()]))
        assert profile.gains.value == pytest.approx(np.mean([np.mean(np.array(values) > 0) for values in gains.values()]))
        assert profile.heights[0] == 1.0 and min(profile.heights) == profile.heights[-1] >= 0.0
    assert item.draws == {"image": 4, "audio": 4} and item.left_out == ()


def test_the_chance_to_score_higher_is_that_of_the_u_statistic_averaged_over_targets():
    cells = study(5, seed=3)
    (item,) = profiles(cells)
    scores = {}
    for one in cells:
        scores.setdefault((one.method, one.target), []).extend(one.test.values())
    pathway = item.profiles[0]
    for other in ("baseline", "random_auxiliary"):
        chances = []
        for target in ("image", "audio"):
            first, second = scores["pathway", target], scores[other, target]
            chances.append(stats.mannwhitneyu(first, second).statistic / len(first) / len(second))
        assert pathway.improvement[other].value == pytest.approx(np.mean(chances))
    assert set(item.profiles[1].improvement) == {"baseline"}


def test_bands_need_eight_draws_and_hold_what_they_belong_to():
    (few,) = profiles(study(7))
    assert not few.has_bands and few.profiles[0].gains.low is None
    (item,) = profiles(study(8))
    assert item.has_bands
    for profile in item.profiles:
        bands = zip(profile.low, profile.heights, profile.high, strict=True)
        assert all(0 <= low <= height + 1e-9 and height - 1e-9 <= high <= 1 for low, height, high in bands)
        assert profile.gains.low < profile.gains.value < profile.gains.high
        assert all(share.low < share.value < share.high for share in profile.improvement.values())


def test_draws_that_share_encoders_are_resampled_together_and_crossed_ones_not_at_all():
    shared = [Draw(seed, seed % 4) for seed in range(8)]
    assert not profiles(study(8, draws=shared))[0].has_bands, "four replicates are too few"
    own = [Draw(seed, seed) for seed in range(8)]
    assert profiles(study(8, draws=own))[0].has_bands
    crossed = [Draw(seed, replicate) for seed in range(4) for replicate in range(4)]
    assert not profiles(study(16, draws=crossed))[0].has_bands
    nested = [Draw(seed, seed % 8) for seed in range(16)]
    assert profiles(study(16, draws=nested))[0].has_bands


def test_where_all_runs_agree_resampling_shows_no_interval():
    (item,) = profiles(study(8, effect=50.0))
    assert item.profiles[0].gains.value == 1.0 and item.profiles[0].gains.low is None


def test_a_draw_that_is_missing_anywhere_is_left_out_everywhere_and_a_method_without_draws_is_named():
    cells = study(4)
    failed = replace(cells[1], runs=cells[1].runs | {Draw(2): Run(0, "x", "failed")})
    unfinished = [cell(target, "lora", "", [70.0, None, None, None]) for target in ("image", "audio")]
    (item,) = profiles([cells[0], failed, *cells[2:], *unfinished])
    assert item.draws == {"image": 3, "audio": 4}
    assert item.left_out == ("lora",)


def test_nothing_is_profiled_without_a_baseline_with_one_draw_or_over_several_metrics():
    cells = study(4)
    assert profiles([item for item in cells if item.method != "baseline"]) == []
    assert profiles(study(1)) == []
    assert profiles([replace(item, metric="map") if item.target == "audio" else item for item in cells]) == []


def test_the_interval_on_the_chance_to_score_higher_covers_as_often_as_it_says():
    studies, count = 150, 8
    truth = stats.norm.cdf(1.0 / np.sqrt(2 * 2**2 + 2**2))  # both share nothing but the mean: base 2, and the gain's 2
    covered = 0
    for seed in range(studies):
        (item,) = profiles(study(count, ("image", "audio", "point"), seed))
        share = item.profiles[0].improvement["baseline"]
        covered += share.low <= truth <= share.high
    assert covered / studies >= 0.95 - 2.33 * np.sqrt(0.95 * 0.05 / studies)
