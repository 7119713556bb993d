"""What is said of declared questions: in the words of the other claims, and never more than is shown."""

from dataclasses import replace

import numpy as np
import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.claims import claims
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.questions import answers
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.tables.headline import Statement
from m2pt.analysis.tables.phrases import points
from m2pt.analysis.tables.questions import questions
from tests.analysis.numbers.test_questions import ACROSS, APART, study

SCOPE = "For these encoders and on these test samples, "


def told(effects: dict[str, float], rule: Rule = FIXED, seeds: int = 6, paired: bool = False) -> list[Statement]:
    table = study(np.random.default_rng(5), seeds, effects)
    of_study = cells(table.assign(replicate=table["seed"]) if paired else table)
    (known,) = claims(summaries(of_study), rule=rule, answers=answers([APART], of_study)).values()
    return questions(known, [APART])


@pytest.mark.parametrize(("effect", "word"), [(6.0, "higher"), (-6.0, "lower")])
def test_a_difference_that_is_shown_is_claimed(effect: float, word: str):
    (said,) = told({"aligned_apart": effect})
    assert said.claim == f"{SCOPE}`aligned_apart` scored {word} than `aligned_random` on average."
    assert said.standing == "primary"
    assert "points on average over 4 pairs (6 seeds); p < 0.001" in said.detail


def test_encoders_that_are_sampled_are_named_as_such():
    (said,) = told({"aligned_apart": 6.0}, paired=True)
    assert said.claim.startswith("For encoders trained like these and on these test samples, `aligned_apart` scored higher")


def test_where_nothing_is_shown_the_answer_is_a_bound():
    undecided, bound = told({})
    assert undecided.claim == "This study does not show that `aligned_apart` scores otherwise than `aligned_random`."
    assert (undecided.standing, bound.standing) == ("undecided", "primary")
    start = f"{SCOPE}the difference of `aligned_apart` from `aligned_random` on average is shown to be smaller than "
    assert bound.claim.startswith(start) and 0 < float(bound.claim[len(start) :].split()[0]) < 4


@pytest.mark.parametrize(("effect", "smallest", "word"), [(6.0, 1.0, "larger"), (0.0, 5.0, "smaller"), (6.0, 9.0, "smaller")])
def test_the_smallest_difference_of_interest_is_told(effect: float, smallest: float, word: str):
    said = told({"aligned_apart": effect}, Rule(smallest=smallest))[1]
    words = "the difference of `aligned_apart` from `aligned_random` on average is shown to be"
    assert said.claim == f"{SCOPE}{words} {word} than {points(smallest)}, the smallest difference of interest."
    assert said.standing == "primary"


def test_a_difference_near_the_smallest_one_is_undecided():
    said = told({"aligned_apart": 6.0}, Rule(smallest=6.0))
    assert said[1].claim.startswith("It is undecided whether the difference of `aligned_apart`")
    assert said[1].standing == "undecided"


@pytest.mark.parametrize("smallest", np.arange(1.0, 12.0, 0.25))
def test_the_interval_beside_a_size_decides_it(smallest: float):
    """Whatever is said of the smallest difference of interest, the reader finds it in the interval that is printed."""
    said = told({"aligned_apart": 6.0}, Rule(smallest=smallest))[1]
    low, high = (float(end.replace("\N{MINUS SIGN}", "-")) for end in said.detail.split(" is ")[1].rstrip(".").split(" to "))
    if said.claim.startswith("It is undecided"):
        assert low <= smallest <= high
    else:
        assert low > smallest if " larger than " in said.claim else high < smallest


def test_one_seed_and_a_lack_of_runs_support_nothing():
    (said,) = told({"aligned_apart": 9.0}, seeds=1)
    assert said.claim == "It cannot be said yet whether `aligned_apart` scores otherwise than `aligned_random`."
    of_study = cells(study(np.random.default_rng(5)))
    (known,) = claims(summaries(of_study), answers=answers([APART], of_study)).values()
    assert questions(known, [APART, ACROSS])[-1].claim == (
        "The question `aligned_pathway` over `aligned_random` has no runs here that could answer it."
    )
    assert questions(replace(known, is_primary=False), [APART]) == []
