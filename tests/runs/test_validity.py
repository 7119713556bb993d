"""Why no claim may be made, in words."""

import pytest

from m2pt.runs.looks import Look
from m2pt.runs.validity import UNSEEN, Validity


def look(seeds: tuple[int, ...], encoders: tuple[int, ...] = (0,)) -> Look:
    return Look(date="2026-01-02", study="s", design="fixed", seeds=seeds, encoder_seeds={"mae": encoders}, complete={})


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (look((0, 1, 2, 3)), "with seeds 0 to 3 in a fixed design"),
        (look((0, 2)), "with seeds 0 and 2 in"),
        (look((7,)), "with seed 7 in"),
        (look((0, 1, 2), (4, 5, 6)), "with seeds 0 to 2 and encoders of seeds 4 to 6 in"),
        (look(tuple(range(0, 40, 2))), "with seeds 0, 2, 4, 6, 8, 10, 12, 14 and … in"),
    ],
)
def test_an_earlier_look_is_named_with_its_date_and_seeds(seen: Look, words: str):
    refusal = Validity(seen=seen).refusal
    assert "looked at on 2026-01-02" in refusal
    assert words in refusal
    assert "fresh seeds" in refusal


def test_runs_that_have_not_ended_are_counted_and_nothing_else_forbids_claims():
    assert "3 of 24 runs of the main question have not ended" in Validity(unended=3, planned=24).refusal
    assert UNSEEN.refusal == Validity(planned=24).refusal == ""
