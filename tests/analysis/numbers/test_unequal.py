"""Missing runs: Fisher's exact test by its definition, and the worst case by hand."""

from math import comb

import numpy as np
import pytest

from m2pt.analysis.numbers.cells import Cell, Condition, Run
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.unequal import PLAUSIBLE, Missing, guarded, missing, ranges, worst_case
from m2pt.config import MethodName


def fisher(missing: tuple[int, int], planned: tuple[int, int]) -> float:
    """The two-sided p-value: the chance of all tables with the same margins that are no more likely than this one."""
    lost = sum(missing)

    def chance(first: int) -> float:
        return comb(planned[0], first) * comb(planned[1], lost - first) / comb(sum(planned), lost)

    possible = range(max(0, lost - planned[1]), min(lost, planned[0]) + 1)
    return sum(chance(first) for first in possible if chance(first) <= chance(missing[0]) * (1 + 1e-9))


@pytest.mark.parametrize("planned", [(4, 4), (12, 4), (36, 12), (10, 10)])
def test_shares_are_suspect_where_fishers_exact_test_says_so(planned: tuple[int, int]) -> None:
    for mine in range(planned[0] + 1):
        for theirs in range(planned[1] + 1):
            item = Missing(mine, planned[0], theirs, planned[1])
            differs = mine / planned[0] != theirs / planned[1]
            assert item.differs == differs
            assert item.is_suspect == (differs and fisher((mine, theirs), planned) < PLAUSIBLE)


def cell(method: MethodName, scores: list[float | None]) -> Cell:
    """A cell of image with these test scores; None is a failed run."""
    runs = {
        Draw(seed): Run(seed, status="failed" if score is None else "complete", test_score=score)
        for seed, score in enumerate(scores)
    }
    return Cell(Condition("pretrained", "full"), "image", method, "audio" if method == "pathway" else "random", "accuracy", runs)


def test_in_the_worst_case_missing_runs_have_the_scores_that_speak_against_the_difference() -> None:
    mine, theirs = cell("pathway", [80.0, None, 84.0, 82.0]), cell("random_auxiliary", [70.0, 72.0, None, 71.0])
    within = ranges([mine, theirs])
    assert within == {"image": (70.0, 84.0)}
    # Above: the pathway's missing run scores the lowest of all, that of the control the highest. Below: the other way round.
    assert worst_case([(mine, theirs)], 1, within).mean == pytest.approx(np.mean([10.0, 70 - 72, 84 - 84, 11.0]))
    assert worst_case([(mine, theirs)], -1, within).mean == pytest.approx(np.mean([10.0, 84 - 72, 84 - 70, 11.0]))


def test_a_difference_counts_no_more_than_in_the_worst_case() -> None:
    mine, theirs = cell("pathway", [80.0, None, None, 80.1, 80.3]), cell("random_auxiliary", [70.0, 70.2, 70.1, 70.4, 70.2])
    pairs, within = [(mine, theirs)], ranges([mine, theirs])
    value = mine.gain(theirs)
    assert value.p_value is not None and value.p_value < 0.001
    worst = worst_case(pairs, 1, within)
    assert worst.p_value is not None and guarded(pairs, value, within, suspect=True) == worst.p_value > 0.01
    assert guarded(pairs, value, within, suspect=False) == value.p_value


def test_a_run_that_several_comparisons_share_is_missing_once() -> None:
    control = cell("random_auxiliary", [None, 70.0])
    first, second = cell("pathway", [80.0, 81.0]), cell("pathway", [80.0, None])
    pairs = [(first, control), (Cell(*second.key[:3], "point", "accuracy", second.runs), control)]
    assert missing(pairs) == Missing(1, 4, 1, 2)
