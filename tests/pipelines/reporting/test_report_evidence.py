"""The sections on how sure the report is and on ranks, from made-up tables of runs."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import summaries
from m2pt.analysis.numbers.evidence import evidence
from m2pt.analysis.numbers.pooling import BOOTSTRAP_SEEDS
from m2pt.analysis.numbers.profiles import profiles
from m2pt.analysis.numbers.ranking import rankings
from m2pt.analysis.numbers.samples import Scores, sample_evidence
from m2pt.analysis.sections import evidence as evidence_section
from m2pt.analysis.sections import profiles as profiles_section
from m2pt.analysis.sections import ranking as ranking_section
from m2pt.runs.validity import UNSEEN
from pipelines.reporting import as_markdown
from tests.analysis.numbers import test_evidence, test_ranking


def _section(name: str, runs: pd.DataFrame, scores: Scores | None = None) -> str:
    compared = summaries(cells(runs)) if "metric" in runs else []
    analysis = SimpleNamespace(
        summaries=compared,
        evidence=evidence(compared),
        rankings=rankings(cells(runs)),
        profiles=profiles(cells(runs)) if "metric" in runs else [],
        samples={item.condition: sample_evidence(item, scores or {}) for item in compared},
    )
    facts: Any = SimpleNamespace(
        analysis=analysis, many=False, measure="accuracy", drawn=[], rates="fixed", source=SimpleNamespace(validity=UNSEEN)
    )
    sections = {"evidence": evidence_section.section, "ranking": ranking_section.section, "profiles": profiles_section.section}
    section = sections[name](facts)
    return "" if section is None else as_markdown.blocks(section.blocks)


def _lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_a_bootstrap_interval_stands_only_where_it_holds() -> None:
    few, enough = (
        _section("evidence", test_evidence.table(test_evidence.spread, seeds)) for seeds in (BOOTSTRAP_SEEDS - 1, BOOTSTRAP_SEEDS)
    )
    assert "Too few seeds for a bootstrap" in few
    assert "by bootstrap |" not in few.split("All targets")[0]
    assert "Too few seeds" not in enough
    assert "by bootstrap |" in enough.split("All targets")[0]
    assert ", no interval" in few
    assert ", no interval" not in _lines(enough, "| mean of the middle half of the runs")[0]


def test_every_row_has_the_cells_of_its_head() -> None:
    for seeds in (2, BOOTSTRAP_SEEDS):
        text = _section("evidence", test_evidence.table(test_evidence.spread, seeds))
        for table in text.split("\n\n"):
            if table.startswith("| "):
                assert len({line.count("|") for line in table.splitlines()}) == 1
        assert len(_lines(text, "| image from ")) == len(_lines(text, "| audio from ")) == 3


def test_one_seed_says_that_nothing_can_be_computed() -> None:
    text = _section("evidence", test_evidence.table(test_evidence.spread, seeds=1))
    assert "Nothing here can be computed yet" in text
    assert "±" not in text


def test_intervals_that_cover_test_samples_stand_beside_those_of_seeds() -> None:
    runs = test_evidence.table(test_evidence.spread, seeds=4)
    runs["run_id"] = [f"run-{place}" for place in range(len(runs))]
    draw = np.random.default_rng(0)
    scores = {name: draw.random(200) < 0.6 for name in runs["run_id"]}
    text = _section("evidence", runs, scores)
    pairs, together = text.split("All targets together")
    assert "| with further test samples | p of these runs on others |" in pairs
    (row,) = _lines(pairs, "| image from audio |")
    of_seeds, with_samples = (float(width) for width in re.findall(r"± ([\d.]+)", row))
    assert with_samples >= of_seeds
    assert "for further seeds and further test samples" in pairs
    assert "*For further seeds and further test samples of these targets*" in together
    assert len(_lines(together, "| mean over all pairs |")) == 2


def test_where_it_is_not_known_what_each_sample_scored_the_section_says_so() -> None:
    text = _section("evidence", test_evidence.table(test_evidence.spread, seeds=4))
    assert "with further test samples" not in text
    assert "Nothing is said of further test samples where it is not known for all runs what each test sample scored." in text


def test_profiles_have_intervals_only_with_draws_enough() -> None:
    def mixed(target: str, name: str, seed: int) -> float:
        return test_evidence.spread(target, name, seed) - 2.0 * (seed % 2) * bool(name)

    few, enough = (_section("profiles", test_evidence.table(mixed, seeds)) for seeds in (BOOTSTRAP_SEEDS - 1, BOOTSTRAP_SEEDS))
    assert "No bands and no intervals: with fewer than 8 draws" in few and "No bands" not in enough
    assert re.search(r"\| `pathway` \| \d+ % \| \d+ % \| \d+ % \|", few)
    assert re.search(r"\| `pathway` \| \d+ % \(\d+ to \d+\) \|", enough)


def test_a_study_without_the_control_has_no_such_section() -> None:
    runs = test_evidence.table(test_evidence.spread)
    assert _section("evidence", runs[runs["method"] != "random_auxiliary"]) == ""


def test_two_targets_are_said_to_be_too_few_to_tell_methods_apart() -> None:
    text = _section("ranking", test_ranking.table())
    assert "so few targets cannot separate any two of them" in text
    assert "do not all score alike" in text  # 24 of the 576 ways to order four methods on two targets agree
    assert "| `own_lineage` | 1.00 | 63.5 | 73.5 |" in text


@pytest.mark.parametrize("gains", [{"baseline": 0.0, "pathway": 1.0}])
def test_two_methods_have_no_ranking(gains: dict[str, float]) -> None:
    assert _section("ranking", test_ranking.table(gains)) == ""
