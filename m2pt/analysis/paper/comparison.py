"""Everything from the paper that a report puts next to a study."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from m2pt.analysis.numbers.comparisons import Summary
from m2pt.analysis.paper import entries
from m2pt.analysis.paper.gains import CostRatio, PaperGain, cost_ratios, paper_controls, paper_gains
from m2pt.analysis.paper.sameness import KnownSamples
from m2pt.analysis.paper.tables import PaperTable, paper_tables
from m2pt.analysis.tables.methods import MethodRow
from m2pt.config import Study
from m2pt.runs.record import FinetuneRecord
from m2pt.runs.spec import RunSpec


@dataclass(frozen=True)
class Paper:
    """The paper's numbers, with ours where there are any.

    `rows` are its scores and ours, entry by entry, `tables` the same in the shape of its tables; both are empty for a study
    without published data sets. `gains` are its gains for the targets and auxiliaries of each condition (by slug), `controls` its
    own controls, `costs` its Table 7.
    """

    rows: list[entries.Row]
    tables: list[PaperTable]
    gains: dict[str, dict[tuple[str, str], PaperGain]]
    controls: dict[str, float]
    costs: list[CostRatio]

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table (`m2pt.analysis.paper.entries.COLUMNS`)."""
        return entries.as_table(self.rows)


def paper(
    study: Study,
    specs: Sequence[RunSpec],
    records: Sequence[FinetuneRecord | None],
    summaries: Sequence[Summary],
    methods: Sequence[MethodRow],
) -> Paper:
    """The paper next to a study and its results.

    Args:
        study: the study.
        specs: its planned runs.
        records: their records, in the same order; None for a run that is not complete.
        summaries: the main question of each condition.
        methods: all methods side by side.

    """
    epochs = entries.auxiliary_epochs(study)
    measured = entries.entries_of(specs, [record.test_score if record else None for record in records], epochs)
    second = [record.test_scores if record else {} for record in records]
    same = entries.sameness_of(specs, [KnownSamples.of(record) for record in records], study)
    rows = entries.beside(entries.with_second_scores(measured, specs, second, epochs), same)
    return Paper(
        rows=rows,
        tables=paper_tables(rows),
        gains={item.condition.slug: paper_gains(item, study.tasks) for item in summaries},
        controls=paper_controls(),
        costs=cost_ratios([row for row in methods if row.condition == methods[0].condition]),
    )
