"""Primary claims by the design of a study and by its history: sequential seeds, refusals, the smallest difference of interest."""

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.averages import mean_over
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.claims import Claim, Claims, claims
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.rules import FIXED, Rule
from m2pt.analysis.numbers.sequential import critical, mixture
from m2pt.analysis.numbers.statistics import estimate, over_seeds
from m2pt.analysis.tables.headline import headline
from tests.analysis.numbers.test_evidence import Gain, spread, table


def claims_of(gain: Gain, rule: Rule = FIXED, seeds: int = 4, targets: tuple[str, ...] = ("image",)) -> Claims:
    """The claims about one study."""
    (known,) = claims(summaries(cells(table(gain, seeds, targets))), rule=rule).values()
    return known


def test_draws_that_share_encoders_have_no_sequential_interval():
    values = {Draw(seed, seed % 2): float(seed) for seed in range(4)}
    item = over_seeds(values)
    judged = Rule(planned=4).judged(item)
    assert (judged.mean, judged.half_width, judged.p_value) == (item.mean, None, None)
    assert "draws share encoders, no interval" in judged.note
    own = over_seeds({Draw(seed, seed): float(seed) for seed in range(4)})
    assert Rule(planned=4).judged(own).half_width > own.half_width


def test_a_sequential_design_counts_no_more_draws_than_degrees_of_freedom_allow():
    rng = np.random.default_rng(0)
    pairs = [{Draw(seed): float(rng.normal()) if seed < count else None for seed in range(12)} for count in (12, 8, 8)]
    item = mean_over(pairs)
    (component,) = item.components
    judged = Rule(planned=12).judged(item)
    assert judged.n == int(component.freedom) + 1 < 12
    assert judged.half_width == pytest.approx(critical(judged.n, 0.05, 12) * component.variance**0.5)


def every(known: Claims) -> list[Claim]:
    return [*known.others, *known.pairs, *known.controls]


def drawn(mean: float, seed: int, deviation: float = 1.0) -> Gain:
    """Gains of other modalities over random weights around a mean, new for each study."""
    noise = np.random.default_rng(seed).normal(0, deviation, (8, 40))
    place = {"": 0, "random": 1, "own": 2, "image": 3, "audio": 4, "point": 5}
    return lambda _, name, draw: (mean if name in ("image", "audio", "point") else 0.0) + float(noise[place[name], draw])


def test_where_claims_are_refused_none_is_made():
    assert any(claim.sign for claim in every(claims_of(spread)))
    refused = every(claims_of(spread, Rule(refused=True)))
    assert {(claim.sign, claim.margin, claim.weight) for claim in refused} == {(0, None, 0.0)}


def test_a_sequential_design_judges_by_the_e_value():
    # With g from the plan: E = sqrt(r) ((1 + t²/(n - 1)) / (1 + r t²/(n - 1)))^(n/2), r = 1/(1 + n g), and p = 1/E.
    rule, n = Rule(planned=8), 6
    for claim, fixed in zip(every(claims_of(drawn(1.0, 1), rule, n)), every(claims_of(drawn(1.0, 1), FIXED, n)), strict=True):
        gains = [value for value in claim.values.values() if value is not None]
        square = stats.ttest_1samp(gains, 0.0).statistic ** 2 / (n - 1)
        r = 1 / (1 + n * mixture(8))
        assert claim.p_value == pytest.approx(min(1.0, 1 / (np.sqrt(r) * ((1 + square) / (1 + r * square)) ** (n / 2))))
        assert claim.estimate.mean == pytest.approx(fixed.estimate.mean)
        assert claim.estimate.half_width > fixed.estimate.half_width
        assert claim.estimate.n == n


def test_seeds_added_until_a_report_claims_something_claim_it_in_at_most_one_study_of_twenty():
    """Complete primary families, looked at after each seed from the third to the tenth."""
    studies = 60
    wrong = {rule: 0 for rule in (FIXED, Rule(planned=6))}
    for number in range(studies):
        for rule in wrong:
            wrong[rule] += any(any(claim.sign for claim in every(claims_of(drawn(0.0, number), rule, n))) for n in range(3, 11))
    assert wrong[Rule(planned=6)] / studies <= 0.05
    assert wrong[FIXED] / studies > 0.10


@pytest.mark.parametrize("planned", [None, 5])
def test_other_levels_have_the_interval_of_the_rule(planned: int | None):
    rule = Rule(planned)
    item = rule.judged(estimate([0.5, 2.0, 1.0, 3.0, 1.5]))
    error = np.std([0.5, 2.0, 1.0, 3.0, 1.5], ddof=1) / np.sqrt(5)
    assert rule.half_width(item, 0.05) == pytest.approx(item.half_width)
    reach = stats.t.isf(0.005, 4) if planned is None else critical(5, 0.01, planned)
    assert rule.half_width(item, 0.01) == pytest.approx(reach * error)
    assert rule.half_width(estimate([1.0]), 0.05) is None


@pytest.mark.parametrize(("mean", "deviation", "size", "words"), [
    (5.0, 0.3, 1, "shown to be larger than 1 point, the smallest difference of interest"),
    (-5.0, 0.3, 1, "shown to be larger than 1 point, the smallest difference of interest"),
    (0.1, 0.05, -1, "shown to be smaller than 1 point, the smallest difference of interest"),
    (0.4, 3.0, 0, "It is undecided whether the difference from random weights on average is as large as 1 point"),
])  # fmt: skip
def test_the_average_is_compared_with_the_smallest_difference_of_interest(mean: float, deviation: float, size: int, words: str):
    runs = summaries(cells(table(drawn(mean, 3, deviation), 6, ("image", "audio"))))
    known = claims(runs, rule=Rule(smallest=1.0))[runs[0].condition]
    assert known.others[0].size == size
    said = [statement for statement in headline(runs[0], (), known) if "smallest difference of interest" in statement.claim]
    assert [words in statement.claim for statement in said] == [True]
    assert said[0].standing == ("undecided" if size == 0 else "primary")
    assert claims(runs)[runs[0].condition].others[0].size is None


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 1.5])
def test_all_that_is_said_of_an_average_is_true_together(ratio: float):
    """Direction, margin and size; the smallest difference is the true one, or a part or a multiple of it."""
    studies, wrong, smallest = 250, 0, 0.8
    for number in range(studies):
        truth = ratio * smallest
        for claim in claims_of(drawn(truth, number, 0.7), Rule(smallest=smallest), 5).others:
            larger, smaller = claim.size == 1 and truth <= smallest, claim.size == -1 and truth >= smallest
            beyond = claim.margin is not None and claim.margin < truth
            wrong += larger or smaller or beyond or (claim.sign != 0 and claim.sign != np.sign(truth))
    assert wrong / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
