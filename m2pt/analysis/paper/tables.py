"""Our scores in the shape of the paper's tables, with its numbers; what either side lacks stays missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from m2pt.analysis.numbers.cells import MEASURES
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.paper.entries import PaperEntry, Row, Variation
from m2pt.analysis.paper.sameness import Sameness
from m2pt.analysis.paper.scores import (
    ABLATION_AUXILIARIES,
    BASELINES,
    DATASETS_BY_NAME,
    TABLES,
    Metric,
    ablation_rows,
    ablation_score,
    published_score,
)
from m2pt.config import RANDOM, Dataset, Modality, PathwayConfig, Setting, Tuning
from m2pt.config.base import BUILT_IN_MODALITIES

_NAMES = {dataset: name for name, dataset in DATASETS_BY_NAME.items()}
_OWN: dict[int, Modality] = {1: "image", 2: "point", 3: "audio", 4: "video"}
_STARTS: dict[Setting, str] = {"pretrained": "Pretrained target", "scratch": "Target from scratch"}
_TITLES = {5: "Ablations: layers and scales", 6: "Ablations: pretraining and order of the auxiliary"}
_SECOND = {"miou_class": "class mIoU", "ap_mask": "mask AP"}
_WHOLE = "the pathway as in Tables 1 to 4"

Rows = Mapping[tuple[str, ...], Row]


@dataclass(frozen=True)
class Column:
    """A column of a table: a score of a data set in one tuning; `auxiliary` if the complete column has the same one."""

    dataset: Dataset
    metric: Metric
    tuning: Tuning = "full"
    auxiliary: str = ""

    @property
    def title(self) -> str:
        """The data set by its usual name."""
        return _NAMES.get(self.dataset, self.dataset)

    @property
    def words(self) -> str:
        """What is measured, and how it was trained."""
        measure = _SECOND.get(self.metric) or MEASURES[self.metric]
        tuned = measure if self.tuning == "full" else f"{measure}, only scales and head tuned"
        return f"{tuned}, {self.auxiliary} auxiliary" if self.auxiliary else tuned


@dataclass(frozen=True)
class Line:
    """A row of a table. A cell is None where neither the paper nor this study has it."""

    label: str
    cells: tuple[Row | None, ...]
    control: bool = False


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper with the columns that this study has, its rows in groups (a heading and the rows)."""

    number: int
    title: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Line, ...]], ...]


def paper_tables(rows: Sequence[Row]) -> list[PaperTable]:
    """Tables 1 to 6 as far as a study has their data sets.

    Args:
        rows: every entry of the study and of the paper (`m2pt.analysis.paper.entries.beside`).

    """
    known = {row.entry.key: row for row in rows}
    tables = [*(_results(number, known) for number in TABLES), _ablations(5, known), _ablations(6, known)]
    return [table for table in tables if table.columns and table.groups]


def _results(number: int, rows: Rows) -> PaperTable:
    """Tables 1 to 4: a group for each setting; in it the baseline, each auxiliary and the controls."""
    plain = [row.entry for row in rows.values() if row.entry.dataset in TABLES[number] and not row.entry.label]
    columns = tuple(dict.fromkeys(Column(entry.dataset, entry.metric, entry.tuning) for entry in plain))
    own = _OWN[number]
    groups = []
    for setting, start in _STARTS.items():
        names = ["", *(name for name in BUILT_IN_MODALITIES if name != own), own, RANDOM]
        lines = [_line(own, setting, auxiliary, columns, rows) for auxiliary in names]
        known = tuple(line for line in lines if any(cell is not None for cell in line.cells))
        groups += [(start, known)] if known else []
    return PaperTable(number, f"{own.capitalize()} targets", columns, tuple(groups))


def _line(own: Modality, setting: Setting, auxiliary: str, columns: Sequence[Column], rows: Rows) -> Line:
    entries = tuple(rows.get((column.dataset, column.metric, setting, column.tuning, auxiliary, "")) for column in columns)
    if not auxiliary:
        return Line(f"no auxiliary ({BASELINES[own, setting]})" if (own, setting) in BASELINES else "no auxiliary", entries)
    labels = {RANDOM: "random weights (control)", own: f"{own} (own modality, control)"}
    return Line(labels.get(auxiliary, auxiliary), entries, auxiliary in labels)


def _ablations(number: Literal[5, 6], rows: Rows) -> PaperTable:
    """Tables 5 and 6; to Table 5 are added the control and what this study varies and the paper does not."""
    columns = tuple(_ablation_columns(number, rows))
    lines = [_ablation(number, pathway, epochs, columns, rows) for pathway, epochs in ablation_rows(number)]
    groups = [("As in the paper", tuple(lines))]
    if number == 5:
        own = [_own_line(label, columns, rows) for label in _own_variations(rows)]
        own += [Line("random weights (control)", tuple(rows.get(_place(column, RANDOM)) for column in columns), control=True)]
        further = tuple(line for line in own if any(cell is not None for cell in line.cells))
        groups += [("Of this study alone", further)] if further else []
    return PaperTable(number, _TITLES[number], columns, tuple(groups))


def _ablation_columns(number: Literal[5, 6], rows: Rows) -> list[Column]:
    datasets = {row.entry.dataset for row in rows.values()}
    scores: list[tuple[Dataset, Metric]] = [("imagenet", "accuracy")]
    if number == 5:
        scores += [("shapenetpart", "miou_class"), ("shapenetpart", "miou_instance"), ("partnet", "miou")]
    return [Column(name, metric, "full", ABLATION_AUXILIARIES[name]) for name, metric in scores if name in datasets]


def _ablation(number: Literal[5, 6], pathway: PathwayConfig | None, epochs: int, columns: Sequence[Column], rows: Rows) -> Line:
    variation = None if pathway is None else Variation(pathway, epochs)
    label = variation.label if variation else ""
    of_columns: list[Row | None] = []
    for column in columns:
        auxiliary = column.auxiliary if variation else ""
        own = rows.get(_place(column, auxiliary, label))
        theirs = ablation_score(column.dataset, column.metric, pathway, epochs)
        if number == 5 and not label:  # rounded as in Table 1
            theirs = published_score(column.dataset, column.metric, "pretrained", "full", auxiliary)
        entry = PaperEntry(column.dataset, column.metric, "pretrained", "full", auxiliary, variation if label else None)
        ours = (own.ours, own.same) if own else (Estimate(0), Sameness())
        of_columns.append(Row(entry, theirs, *ours) if own or theirs is not None else None)
    return Line(label or (_WHOLE if variation else "no auxiliary"), tuple(of_columns))


def _own_line(label: str, columns: Sequence[Column], rows: Rows) -> Line:
    return Line(label, tuple(rows.get(_place(column, column.auxiliary, label)) for column in columns))


def _own_variations(rows: Rows) -> list[str]:
    paper = {Variation(pathway, epochs).label for table in (5, 6) for pathway, epochs in _varied(table)}
    return list(dict.fromkeys(row.entry.label for row in rows.values() if row.entry.label and row.entry.label not in paper))


def _varied(table: int) -> list[tuple[PathwayConfig, int]]:
    rows = ablation_rows(5) if table == 5 else ablation_rows(6)
    return [(pathway, epochs) for pathway, epochs in rows if pathway is not None]


def _place(column: Column, auxiliary: str, label: str = "") -> tuple[str, ...]:
    return column.dataset, column.metric, "pretrained", column.tuning, auxiliary, label
