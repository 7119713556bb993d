"""Everything that is computed from the folders of one study, which are read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.cells import Cell, Condition, cells
from m2pt.analysis.numbers.comparisons import Summary, summaries
from m2pt.analysis.numbers.evidence import Evidence, evidence
from m2pt.analysis.numbers.profiles import MethodProfiles, profiles
from m2pt.analysis.numbers.questions import Answers, Question, answers
from m2pt.analysis.numbers.ranking import MethodRanking, rankings
from m2pt.analysis.numbers.samples import SampleEvidence, Scores, sample_evidence
from m2pt.analysis.numbers.trajectories import ByCell
from m2pt.analysis.tables import provenance
from m2pt.analysis.tables.environments import Environment, environments
from m2pt.analysis.tables.methods import MethodRow, method_rows
from m2pt.runs.identity import run_id
from m2pt.runs.lineage import Encoders
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import PretrainSpec, RunSpec
from m2pt.runs.table import read_results


@dataclass(frozen=True)
class Analysis:
    """The results of a study.

    `table` has every planned run (`m2pt.runs.table.read_table`), `records` those of the complete ones by id, `cells` all
    runs grouped into those that differ by draw alone. `summaries` has the main question of each condition, `evidence` how sure
    each comparison is, `methods` all methods side by side, `rankings` the methods by mean rank, `profiles` the distributions of
    their gains. `samples` is what the main question's comparisons show of further test samples, by condition, from
    `sample_scores`, what each test sample scored; `answers` the comparisons of the questions that the study itself asks.
    `curves` and `scales` are means per epoch of each cell. `timings` is what differs between identical executions,
    `environments` where the runs were executed.
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
    profiles: list[MethodProfiles]
    samples: dict[Condition, SampleEvidence]
    sample_scores: Scores
    answers: Answers

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
    questions: Sequence[Question] = (),
) -> Analysis:
    """Read and compare all runs of a study.

    Args:
        specs: the planned runs.
        runs: the folder that holds their folders.
        pretraining: the planned pretraining runs.
        encoders: the folder that holds theirs.
        parts: the runs of each part of the study, where it has parts.
        sources: the sources of the study's encoders, which say how those of a pathway are related.
        questions: what the study asks beside the built-in questions.

    Raises:
        UserError: a record cannot be read; the file is named.

    """
    table, records = read_results(specs, runs, parts, sources)
    folders = [*(("finetune", runs / str(name)) for name in table["run_id"] if name), *_pretrained(pretraining, encoders)]
    return _analysed(table, records, folders, runs, questions)


def _analysed(
    table: pd.DataFrame,
    records: dict[str, FinetuneRecord],
    folders: Sequence[tuple[str, Path]],
    runs: Path,
    questions: Sequence[Question],
) -> Analysis:
    """What follows from the table of runs and from their `folders`, which have a kind each."""
    of_study = cells(table)
    lines, timings = trajectories.history(of_study, runs), provenance.timings(folders)
    compared, answered = summaries(of_study), answers(questions, of_study)
    scores = _sample_scores(compared, answered, records, runs)
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
        profiles=profiles(of_study),
        samples={item.condition: sample_evidence(item, scores) for item in compared},
        sample_scores=scores,
        answers=answered,
    )


def _pretrained(specs: Sequence[PretrainSpec], encoders: Path) -> list[tuple[str, Path]]:
    return [("pretrain", encoders / run_id(spec)) for spec in specs if spec.ready]


def _sample_scores(compared: Sequence[Summary], answered: Answers, records: Mapping[str, FinetuneRecord], runs: Path) -> Scores:
    """What each test sample scored in the runs that the questions compare, as far as their records have it."""
    pairs = [item for of in answered.values() for answer in of for item in answer.comparisons]
    members = [*(cell for item in compared for cell in item.cells), *(cell for it in pairs for cell in (it.cell, it.reference))]
    ids = {str(run.run_id) for cell in members for run in cell.complete.values()}
    read = {name: read_sample_scores(runs / name, records[name]) for name in sorted(ids)}
    return {name: scores for name, scores in read.items() if scores is not None}
