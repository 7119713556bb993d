"""All that is computed from the folders of one study, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.evidence import Evidence, evidence
from m2pt.analysis.numbers.ranking import MethodRanking, rankings
from m2pt.analysis.tables import provenance
from m2pt.analysis.tables import summaries as tables
from m2pt.analysis.tables.environments import Environment, environments
from m2pt.analysis.tables.methods import MethodRow, method_rows
from m2pt.analysis.tables.summaries import Summary
from m2pt.runs.identity import run_id
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.runs.table import read_results


@dataclass(frozen=True)
class Analysis:
    """The results of a study.

    `table` holds every planned run (`m2pt.runs.table.read_table`), `documents` the records of the complete ones, `summaries` one
    comparison per condition, `curves` and `scales` the means per epoch, `timings` what differs between identical executions,
    `environments` with what they were computed,
    `methods` every method beside every other, `evidence` how sure each comparison is, `rankings` the methods by mean rank.
    """

    table: pd.DataFrame
    documents: dict[str, dict[str, Any]]
    summaries: list[Summary]
    curves: pd.DataFrame
    scales: pd.DataFrame
    timings: pd.DataFrame
    environments: list[Environment]
    methods: list[MethodRow]
    evidence: list[Evidence]
    rankings: list[MethodRanking]


def analyse(
    specs: Sequence[RunSpec],
    runs: Path,
    pretraining: Sequence[PretrainSpec],
    encoders: Path,
    parts: Mapping[str, Sequence[RunSpec]] | None = None,
) -> Analysis:
    """Read and compare all runs of a study.

    Args:
        specs: the planned runs.
        runs: the folder that holds their folders.
        pretraining: the planned pretraining runs.
        encoders: the folder that holds theirs.
        parts: the runs of each part of the study, where it has parts.

    Raises:
        UserError: a record cannot be read; the file is named.

    """
    table, documents = read_results(specs, runs, parts)
    lines = trajectories.history(table, runs)
    folders = [("finetune", runs / str(name)) for name in table["run_id"] if name]
    folders += [("pretrain", encoders / run_id(spec)) for spec in pretraining if spec.ready]
    timings = provenance.timings(folders)
    compared = tables.summaries(table)
    return Analysis(
        table=table,
        documents=documents,
        summaries=compared,
        curves=trajectories.curves(lines),
        scales=trajectories.scales(lines),
        timings=timings,
        environments=environments(folders, table),
        methods=method_rows(table, timings),
        evidence=evidence(compared),
        rankings=rankings(table),
    )
