"""Rankings, against Demšar's own example, exact permutations and scipy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from m2pt.analysis.figures import ranking as figures
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.ranking import critical_difference, rank, rankings


def test_demsars_example():
    # Demšar (2006), section 3.2.2: four classifiers on 14 data sets, CD = 2.569 * sqrt(4 * 5 / (6 * 14)) = 1.25.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_ranks_share_ties_and_groups_are_neighbours():
    cases = range(12)
    scores = {"best": [9.0] * 12, "twin": [9.0] * 12, "middle": [5.0] * 12, "worst": [float(case % 2) for case in cases]}
    ranking = rank(scores)
    assert list(ranking.ranks)[-2:] == ["middle", "worst"]
    assert ranking.ranks["best"] == ranking.ranks["twin"] == 1.5
    assert ranking.p_value < 1e-3
    assert ("best", "twin") in [group[:2] for group in ranking.groups]
    assert not any({"best", "worst"} <= set(group) for group in ranking.groups)


def test_equal_methods_do_not_differ():
    ranking = rank({name: [1.0, 2.0, 3.0] for name in "abc"})
    assert ranking.p_value == 1.0
    assert ranking.groups == (("a", "b", "c"),)
    with pytest.raises(ValueError, match="at least three"):
        rank({"a": [1.0, 2.0], "b": [1.0, 2.0]})


def test_friedmans_p_value_is_exact_for_two_cases_that_agree():
    # Of the 36 ways to order three methods on two cases, six have the same order twice.
    ranking = rank({"a": [3.0, 3.0], "b": [2.0, 2.0], "c": [1.0, 1.0]})
    assert ranking.p_value == pytest.approx(1 / 6, abs=0.012)
    assert not ranking.can_separate


def test_friedmans_p_value_is_scipys_for_many_cases():
    rng = np.random.default_rng(3)
    table = rng.normal(0, 1, (4, 60)) + 0.25 * np.arange(4)[:, None]
    ranking = rank(dict(zip("abcd", table.tolist(), strict=True)))
    assert ranking.p_value == pytest.approx(stats.friedmanchisquare(*table).pvalue, abs=0.01)
    assert ranking.can_separate


def test_few_cases_raise_no_false_alarm():
    rng = np.random.default_rng(5)
    wrong = [rank(dict(zip("abc", rng.normal(0, 1, (3, 4)).tolist(), strict=True))).p_value <= 0.05 for _ in range(80)]
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 80)


GAINS = {"baseline": 0.0, "random_auxiliary": 1.0, "pathway": 2.0, "own_lineage": 3.0}


def table(gains: Mapping[str, float] = GAINS, seeds: int = 2) -> pd.DataFrame:
    """Runs of two targets, whose scores are 60 or 70 and what the method gains, and a point more for odd seeds."""
    rows = [
        (target, method, auxiliary, seed, level + gain + seed % 2)
        for target, level in (("image", 60.0), ("audio", 70.0))
        for method, gain in gains.items()
        for auxiliary in (("audio", "video") if method == "pathway" else ("",))
        for seed in range(seeds)
    ]
    runs = pd.DataFrame(rows, columns=["target", "method", "auxiliary", "seed", "test_score"])
    return runs.assign(setting="pretrained", tuning="full", parts="")


def test_methods_are_ranked_over_targets_by_their_mean_scores():
    (ranked,) = rankings(cells(table()))
    assert ranked.ranking.ranks == {"own_lineage": 1.0, "pathway": 2.0, "random_auxiliary": 3.0, "baseline": 4.0}
    assert ranked.ranking.cases == 2  # targets, not seeds
    assert ranked.scores["pathway"] == {"image": 62.5, "audio": 72.5}
    assert ranked.seeds == {"image": (Draw(0), Draw(1)), "audio": (Draw(0), Draw(1))}
    assert ranked.left_out == ()


def test_only_seeds_that_every_method_has_count_and_incomplete_methods_are_named():
    runs = table(seeds=3)
    runs.loc[(runs["method"] == "own_lineage") & (runs["target"] == "audio"), "test_score"] = None
    runs.loc[(runs["auxiliary"] == "video") & (runs["target"] == "image") & (runs["seed"] == 0), "test_score"] = None
    (ranked,) = rankings(cells(runs))
    assert ranked.left_out == ("own_lineage",)
    assert ranked.seeds == {"image": (Draw(1), Draw(2)), "audio": (Draw(0), Draw(1), Draw(2))}
    assert ranked.scores["baseline"] == {"image": 60.5, "audio": pytest.approx(70 + 1 / 3)}


def test_nothing_is_ranked_from_one_seed_one_target_or_two_methods():
    assert rankings(cells(table(seeds=1))) == []
    assert rankings(cells(table().query("target == 'image'"))) == []
    assert rankings(cells(table({"baseline": 0.0, "pathway": 1.0}))) == []
    assert rankings(cells(table().iloc[:0])) == []


def test_the_diagram_says_in_words_what_it_shows():
    (picture,) = figures.draw(rankings(cells(table())))
    assert (picture.name, picture.section) == ("ranking-pretrained-full", "ranking")
    assert "own_lineage 1.00, pathway 2.00, random_auxiliary 3.00, baseline 4.00" in picture.alternative
    assert "over 2 targets" in picture.alternative
    assert picture.png.startswith(b"\x89PNG")
    assert b"own lineage" in picture.svg
    assert picture.svg == figures.draw(rankings(cells(table())))[0].svg


@pytest.mark.parametrize(("methods", "cases"), [(3, 4), (5, 4), (12, 4), (30, 10)])
def test_the_critical_difference_is_nemenyis_by_the_studentized_range_of_statsmodels(methods: int, cases: int):
    from statsmodels.stats.libqsturng import psturng

    # Two mean ranks differ by q * sqrt(k (k + 1) / (6 N)), where q is the quantile of the range over the root of 2.
    quantile = critical_difference(methods, cases) / np.sqrt(methods * (methods + 1) / (6 * cases)) * np.sqrt(2)
    assert psturng(quantile, methods, np.inf) == pytest.approx(0.05, abs=0.001)
