"""Everything that is computed from the folders of one study, which are read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.cells import Cell, cells
from m2pt.analysis.numbers.comparisons import Summary, summaries
from m2pt.analysis.numbers.evidence import Evidence, evidence
from m2pt.analysis.numbers.ranking import MethodRanking, rankings
from m2pt.analysis.numbers.trajectories import ByCell
from m2pt.analysis.tables import provenance
from m2pt.analysis.tables.environments import Environment, environments
from m2pt.analysis.tables.methods import MethodRow, method_rows
from m2pt.runs.identity import run_id
from m2pt.runs.lineage import Encoders
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.runs.table import read_results


@dataclass(frozen=True)
class Analysis:
    """The results of a study.

    `table` has every planned run (`m2pt.runs.table.read_table`), `records` those of the complete ones by id, `cells` all
    runs grouped into those that differ by seed alone. `summaries` has the main question of each condition, `evidence` how sure
    each comparison is, `methods` all methods side by side, `rankings` the methods by mean rank. `curves` and `scales` are means
    per epoch of each cell. `timings` is what differs between identical executions, `environments` where the runs were executed.
    """

    table: pd.DataFrame
    records: dict[str, FinetuneRecord]
    cells: list[Cell]
    summaries: list[Summary]
    curves: ByCell
    scales: ByCell
    timings: pd.DataFrame
    environments: list[Environment]
    methods: list[MethodRow]
    evidence: list[Evidence]
    rankings: list[MethodRanking]

    @property
    def row_records(self) -> list[FinetuneRecord | None]:
        """The record of each row of the table of runs; None for a run that is not complete."""
        return [self.records.get(str(name)) for name in self.table["run_id"]]


def analyse(
    specs: Sequence[RunSpec],
    runs: Path,
    pretraining: Sequence[PretrainSpec],
    encoders: Path,
    parts: Mapping[str, Sequence[RunSpec]] | None = None,
    sources: Encoders | None = None,
) -> Analysis:
    """Read and compare all runs of a study.

    Args:
        specs: the planned runs.
        runs: the folder that holds their folders.
        pretraining: the planned pretraining runs.
        encoders: the folder that holds theirs.
        parts: the runs of each part of the study, where it has parts.
        sources: the sources of the study's encoders, which say how those of a pathway are related.

    Raises:
        UserError: a record cannot be read; the file is named.

    """
    table, records = read_results(specs, runs, parts, sources)
    of_study = cells(table)
    lines = trajectories.history(of_study, runs)
    folders = [("finetune", runs / str(name)) for name in table["run_id"] if name]
    folders += [("pretrain", encoders / run_id(spec)) for spec in pretraining if spec.ready]
    timings = provenance.timings(folders)
    compared = summaries(of_study)
    return Analysis(
        table=table,
        records=records,
        cells=of_study,
        summaries=compared,
        curves=trajectories.curves(lines, of_study),
        scales=trajectories.scales(lines, of_study),
        timings=timings,
        environments=environments(folders, table),
        methods=method_rows(of_study, timings),
        evidence=evidence(compared),
        rankings=rankings(of_study),
    )
