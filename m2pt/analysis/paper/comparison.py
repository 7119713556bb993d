"""All that a report sets beside a study from the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from m2pt.analysis.paper import cells as published_table
from m2pt.analysis.paper.gains import CostRatio, PaperGain, cost_ratios, paper_controls, paper_gains
from m2pt.analysis.paper.tables import PaperTable, paper_tables
from m2pt.analysis.study import Analysis
from m2pt.config import Study
from m2pt.runs.spec import RunSpec


@dataclass(frozen=True)
class Paper:
    """The paper's numbers, beside ours where there are any.

    `rows` are its scores and ours, cell by cell, `tables` the same in the shape of its tables; both are empty for a study without
    published data sets. `gains` are its gains for the targets and auxiliaries of each condition (by slug), `controls` its own
    controls, `costs` its Table 7.
    """

    rows: list[published_table.Row]
    tables: list[PaperTable]
    gains: dict[str, dict[tuple[str, str], PaperGain]]
    controls: dict[str, float]
    costs: list[CostRatio]

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a table (`m2pt.analysis.paper.cells.COLUMNS`)."""
        return published_table.as_table(self.rows)


def paper(study: Study, specs: Sequence[RunSpec], found: Analysis) -> Paper:
    """The paper beside a study and its results; `specs` are its planned runs, in the order of the table of runs."""
    epochs = published_table.auxiliary_epochs(study)
    documents = [found.documents.get(str(name), {}) for name in found.table["run_id"]]
    measured = published_table.cells_of(specs, [document.get("test_score") for document in documents], epochs)
    second = [(document.get("test_scores") or {}).get("miou_class") for document in documents]
    same = published_table.sameness_of(specs, documents, study)
    rows = published_table.beside(published_table.with_class_iou(measured, specs, second, epochs), same)
    first = found.methods[0].condition if found.methods else None
    return Paper(
        rows=rows,
        tables=paper_tables(rows),
        gains={item.condition.slug: paper_gains(item, study.tasks) for item in found.summaries},
        controls=paper_controls(),
        costs=cost_ratios([row for row in found.methods if row.condition == first]),
    )
