"""Numbers are rounded as a reader rounds them, whatever the last bit of a sum is."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.sections.wording import change, score
from m2pt.analysis.tables.headline import difference, signed


@given(st.integers(-(10**8), 10**8), st.integers(1, 3), st.sampled_from([-3e-11, 0.0, 3e-11]))
def test_a_number_of_four_decimals_is_rounded_as_on_paper(number: int, digits: int, noise: float):
    exact = Decimal(number) / 10000
    assert rounded(number / 10000 + noise, digits) == str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.725, 2, "0.73"),
        (0.7249999999999943, 2, "0.73"),
        (-0.725, 2, "-0.73"),
        (2.5, 0, "3"),
        (0.7249, 2, "0.72"),
        (1, 2, "1.00"),
    ],
)
def test_halves_go_away_from_zero(value: float, digits: int, text: str):
    assert rounded(value, digits) == text


def test_what_is_no_number_stays():
    assert rounded(math.inf, 2) == "inf" and rounded(math.nan, 2) == "nan"


@pytest.mark.parametrize("noise", [-6e-15, 0.0, 6e-15])
def test_one_number_is_shown_as_one_text_everywhere(noise: float) -> None:
    """A half is decided by the number, not by the order of its sums: +0.725 is +0.73 in each table, sentence and picture."""
    value = Estimate(4, mean=0.725 + noise, half_width=0.625 + noise)
    texts = {signed(value.mean or 0), change(value).text[0].text}
    assert texts == {"+0.73"}
    assert difference(value) == "+0.73 ± 0.63"
    assert score(Estimate(4, mean=72.25 + noise, half_width=0.25 + noise)) == "72.3 ± 0.3"


def test_no_score_is_rounded_in_another_way() -> None:
    root = Path(__file__).parents[3]
    files = [
        path for room in ("m2pt/analysis", "pipelines/commands", "pipelines/tracking") for path in (root / room).rglob("*.py")
    ]
    own = re.compile(r"\{(?!\w+\.place)[^{}]*(?:mean|half_width|score|width|gain)\b[^{}]*:\+?\.\d+f\}")
    assert [(path.name, each) for path in files for each in own.findall(path.read_text(encoding="utf-8"))] == []
