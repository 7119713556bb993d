from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.simulation import rows
from benchmarks.simulation.looking import declared
from benchmarks.simulation.reports import Difference, report
from benchmarks.simulation.studies import PAIRS, PLACES, Place, World, every_pair, simulate

NULL = World()
AVERAGE = tuple((PLACES[index], Place(PLACES[index].target, "random_auxiliary", "random")) for index in PAIRS)


@pytest.mark.parametrize("row", rows.rows(), ids=[row.name for row in rows.rows()])
def test_every_row_reads_every_sentence_of_its_reports(row: rows.Row) -> None:
    values = defaultdict(list)
    for number in range(2):
        for measure, value in row.count(4, np.random.default_rng(number)):
            values[measure].append(value)
    assert values and all(0 <= value <= 1 for numbers in values.values() for value in numbers)


def test_averages_of_two_metrics_are_two_claims_and_each_control_is_one() -> None:
    world = World(gains=every_pair(8.0), control=8.0, apart=True, two_metrics=True)
    said = report(simulate(world, 5, np.random.default_rng(0)))
    averages = [{first.target for first, _ in claim.compared} for claim in said.primary if len(claim.compared) == 6]
    assert averages == [{"image", "audio"}, {"point", "video"}]
    controls = [(claim.compared[0][0].method, claim.sign) for claim in said.primary if len(claim.compared) == 2]
    assert [control for control in controls if control[0] == "own_lineage"] == [("own_lineage", 1)] * 2


def test_questions_of_a_study_are_read() -> None:
    study = simulate(World(gains=every_pair(8.0), apart=True), 5, np.random.default_rng(0))
    said = report(study, declared("fixed", 5, None, True))
    over_nothing = [(claim.sign, len(claim.compared)) for claim in said.primary if claim.compared[0][1].method == "baseline"]
    assert over_nothing == [(1, 12)]


def test_a_large_gain_is_claimed_with_its_size_and_scope() -> None:
    said = report(simulate(World(gains=every_pair(8.0), control=8.0), 5, np.random.default_rng(0)))
    first = said.primary[0]
    assert (first.compared, first.sign, first.these_encoders, first.these_samples) == (AVERAGE, 1, True, True)
    assert len(said.stars["Gain over random weights"]) == 16


def test_encoders_and_test_samples_that_are_sampled_are_not_in_the_scope() -> None:
    world = World(gains=every_pair(15.0), layout="paired", encoders=0.5, test_set=True, samples=1000)
    first = report(simulate(world, 5, np.random.default_rng(0))).primary[0]
    assert (first.sign, first.these_encoders, first.these_samples) == (1, False, False)


@pytest.mark.parametrize(("gain", "sign", "false"), [(1.0, 1, False), (1.0, -1, True), (0.0, 1, True), (0.0, -1, True)])
def test_a_claim_is_false_where_the_truth_has_another_sign(gain: float, sign: int, false: bool) -> None:
    study = simulate(World(gains=every_pair(gain)), 3, np.random.default_rng(0))
    assert Difference(AVERAGE, sign).is_false(study) == false


def test_what_is_true_of_these_encoders_need_not_be_of_others() -> None:
    study = simulate(World(layout="one", encoders=0.5), 3, np.random.default_rng(0))
    true = np.mean([study.truth.difference(*pair, True, False) for pair in AVERAGE])
    sign = 1 if true > 0 else -1
    assert not Difference(AVERAGE, sign, these_encoders=True).is_false(study)
    assert Difference(AVERAGE, sign).is_false(study)


def test_a_test_set_moves_a_difference_by_one_point() -> None:
    rng = np.random.default_rng(0)
    moved = [
        simulate(World(test_set=True, samples=1000), 2, rng).truth.difference(*pair, False, True)
        for _ in range(40)
        for pair in AVERAGE
    ]
    assert np.std(moved) == pytest.approx(1.0, abs=0.15)
    assert np.mean(moved) == pytest.approx(0.0, abs=0.2)


def test_runs_vary_as_a_world_says() -> None:
    rng = np.random.default_rng(0)
    table = simulate(World(), 400, rng).table.pivot_table(
        "test_score", "seed", ["target", "method", "auxiliary"], aggfunc="first"
    )
    scores = table.astype(float)
    differences = scores["image", "pathway", "audio"] - scores["image", "random_auxiliary", "random"]
    others = scores["image", "pathway", "point"] - scores["image", "random_auxiliary", "random"]
    assert differences.std() == pytest.approx(2**0.5, rel=0.1)
    assert differences.corr(others) == pytest.approx(0.5, abs=0.1)  # the pairs of a target share their reference


DOCS = Path(__file__).parents[2] / "docs"
POWER = {
    "one pair gains 4 points (its": ("the default study, one pair gains 4 points", "other modalities"),
    "one pair gains 6 points": ("the default study, one pair gains 6 points", "other modalities"),
    "the target's lineage gains 3 points": ("the default study, one pair gains 4 points", "the target's lineage"),
    "the target's lineage gains 5 points": ("the default study, the target's lineage gains 5 points", "the target's lineage"),
    "the same, 8 points": ("the default study, the target's lineage gains 8 points", "the target's lineage"),
}


def shares() -> dict[tuple[str, str], list[float]]:
    """By row and measure, the percentages at 3, 4, 5 and 10 seeds."""
    table = pd.read_csv(DOCS / "benchmarks" / "coverage.csv")
    assert set(table["studies"]) == {2000}
    wide = table.pivot(index=["row", "measure"], columns="seeds", values="percent")[[3, 4, 5, 10]]
    return {(str(row), str(measure)): list(numbers) for (row, measure), numbers in zip(wide.index, wide.to_numpy(), strict=True)}


def told() -> list[list[str]]:
    """The cells of every line of a table of the page."""
    lines = (DOCS / "statistics.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def printed(numbers: list[float]) -> list[str]:
    return [f"{number:.1f}" for number in numbers]


def test_the_shares_of_false_claims_in_the_docs_are_those_of_the_simulation_that_is_kept() -> None:
    known = shares()
    assert {row for row, _ in known} == {row.name for row in rows.rows()}
    lines = [line for line in told() if (line[0], "any false primary claim") in known and len(line) == 8]
    assert len(lines) == 18
    for row, _, *cells in lines:
        worst = [
            max(max(numbers) for (name, measure), numbers in known.items() if name == row and measure.startswith(start))
            for start in ("false share of stars", "false share of exploratory")
        ]
        assert cells == printed(known[row, "any false primary claim"]) + printed(worst), row


def test_the_other_bounds_in_the_docs_are_those_of_the_simulation_that_is_kept() -> None:
    known = {f"{row}: {measure}": numbers for (row, measure), numbers in shares().items()}
    lines = [line for line in told() if line[0] in known]
    assert len(lines) == 12
    for name, _, *cells in lines:
        assert cells[:4] == printed(known[name]), name


def test_the_power_in_the_docs_is_that_of_the_simulation_that_is_kept() -> None:
    known = shares()
    for words, (row, about) in POWER.items():
        (cells,) = (line[1:] for line in told() if line[0].startswith(words))
        assert cells == printed(known[row, f"a true claim about {about}"][1:3])
    for place, seeds in enumerate(("3", "4", "5", "10")):
        (cells,) = ([line[2], line[4]] for line in told() if line[0] == seeds)
        rows_now = ("twelve pairs gain 1 point", "one pair gains 4 points")
        assert cells == printed([known[row, "a true claim about other modalities"][place] for row in rows_now])
