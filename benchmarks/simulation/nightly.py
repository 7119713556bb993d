"""The report of the nightly study, which has dozens of methods and several parts, where nothing has any effect.

Everything that it shows is false then, so the false discovery rate of a family is the share of studies in which it shows any.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from m2pt.analysis.content import Block, Details, Items, Paragraph, SideBySide, Table, string
from m2pt.analysis.numbers import contrasts
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.ranking import rankings
from m2pt.analysis.sections import ablations, findings, gains, methods, ranking
from m2pt.analysis.sections.facts import Facts, Source
from m2pt.analysis.tables.methods import method_rows
from m2pt.config import MODALITIES, Study
from m2pt.config.study_file import parse_study
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import EncoderKey, RunSpec
from m2pt.runs.table import read_table
from pipelines.planning import grid

from .facts import made_facts
from .measures import Measure
from .studies import BETWEEN_RUNS, BETWEEN_SEEDS, LEVEL

FILE = Path(__file__).parents[2] / "studies" / "ablations.yaml"
_CLAIM = re.compile(r"scored (higher|lower) than|do not all score alike")
_SMALLER = re.compile("is shown to be smaller than")
"""True where nothing has any effect."""


class Plan(NamedTuple):
    """The nightly study with so many seeds: its runs, and its table of runs without any result."""

    study: Study
    specs: list[RunSpec]
    parts: dict[str, list[RunSpec]]
    table: pd.DataFrame


@functools.cache
def plan(seeds: int) -> Plan:
    """Read the study and plan its runs."""
    text = FILE.read_text(encoding="utf-8").replace("seeds: [0, 1, 2]", f"seeds: {list(range(seeds))}")
    study = parse_study(text, FILE.name)
    keys = [
        EncoderKey(source, modality, replicate)
        for source in study.encoders
        for modality in MODALITIES
        for replicate in (None, *range(seeds))
    ]
    weights = {key: f"{derived_seed(0, *map(str, key)):016x}" * 4 for key in keys}
    prints = grid.Fingerprints({modality: f"{derived_seed(0, modality):016x}" * 4 for modality in MODALITIES}, weights)
    specs, parts = grid.run_specs(study, prints), grid.part_specs(study, prints)
    table = read_table(specs, Path("no such folder"), parts)
    return Plan(study, specs, parts, table.assign(status="complete", samples_sha256="0" * 64))


def nightly(seeds: int, rng: np.random.Generator) -> Iterator[tuple[Measure, float]]:
    """Whether anything is claimed at the top, and by each exploratory family."""
    facts = _facts(plan(seeds), rng)
    shown: dict[str, bool] = defaultdict(bool)
    is_primary = False
    for block in _flat(findings.section(facts).blocks):
        if isinstance(block, Paragraph):
            is_primary = string(block.text) == "Primary claims"
        for item in block.items if isinstance(block, Items) else ():
            sentence = string(item.text)
            own = "itself with random weights" in sentence
            family = "primary claims" if is_primary else "methods over themselves" if own else "averages"
            shown[family] |= bool(_CLAIM.search(sentence))
    for section in (gains.section(facts), methods.section(facts), ablations.section(facts), ranking.section(facts)):
        for block in _flat(section.blocks if section else ()):
            if isinstance(block, Table):
                for family, holds in _stars(block):
                    shown[family] |= holds
            elif isinstance(block, Paragraph):
                shown["rankings"] |= "do not all score alike" in string(block.text)
    for family, holds in sorted(shown.items()):
        yield Measure(f"any false one: {family}"), float(holds)


def _stars(table: Table) -> Iterator[tuple[str, bool]]:
    """The entries of a table with their family."""
    for row in table.rows:
        for number, entry in enumerate(row):
            if table.label.startswith("Gain over"):
                yield table.label.lower().replace("gain over", "gains over"), entry.holds
            elif table.label.startswith("Ablations"):
                yield "ablations", entry.holds
            else:
                own = "itself" in string(table.columns[number].title) + table.columns[number].under + string(table.caption)
                yield "methods over themselves" if own else "methods", entry.holds


def _facts(planned: Plan, rng: np.random.Generator) -> Facts:
    table = planned.table.assign(test_score=_scores(planned.table, rng))
    table = table.assign(val_score=table["test_score"])
    of_study = cells(table)
    timings = pd.DataFrame(columns=["run_id", "train_seconds", "latency_ms", "plain_latency_ms", "device_name"])
    return made_facts(
        Source(planned.study, planned.specs, Path(), (), Path(), planned.parts),
        table,
        {},
        contrasts.ablations(planned.study, of_study),
        methods=method_rows(of_study, timings),
        rankings=rankings(of_study),
    )


def _scores(table: pd.DataFrame, rng: np.random.Generator) -> "pd.Series[float]":
    """What runs of a target and seed share, and what each has for itself."""
    groups = table.groupby(["target", "seed"]).ngroup()
    shared = rng.normal(0, BETWEEN_SEEDS, int(groups.max()) + 1)[groups]
    return pd.Series(LEVEL + shared + rng.normal(0, BETWEEN_RUNS, len(table)), table.index)


def _flat(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Details | SideBySide):
            yield from _flat(block.blocks)
