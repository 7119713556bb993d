"""The cells of a study: the runs that differ by seed alone, each beside its baseline and its random control."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.statistics import Estimate, differences, estimate, paired
from m2pt.analysis.tables.summaries import MEASURES, Against, Condition, unlike
from m2pt.config import refuses_unknown
from m2pt.methods import METHODS
from m2pt.runs.table import by_part

REFERENCES: dict[Against, str] = {"baseline": "baseline", "random": "random_auxiliary"}
"""The method that each cell is compared with, on the same target within the same condition."""


@dataclass(frozen=True)
class Cell:
    """The planned runs of one condition, target, method and auxiliary: rows of the table of runs by seed, None where empty."""

    condition: Condition
    target: str
    method: str
    auxiliary: str
    metric: str
    runs: dict[int, dict[str, Any]]

    @property
    def name(self) -> str:
        """Its name within the study, for files."""
        return cell_name(self.condition, self.target, self.method, self.auxiliary)

    @property
    def title(self) -> str:
        """Its name for people, where the condition is known."""
        origin = f"{self.target} from {self.auxiliary.replace('+', ', ')}" if self.auxiliary else self.target
        return f"{origin}: {self.method.replace('_', ' ')}"

    @property
    def measure(self) -> str:
        """What its scores are, for people."""
        return MEASURES[self.metric]

    @property
    def complete(self) -> dict[int, dict[str, Any]]:
        """Its complete runs by seed."""
        return {seed: row for seed, row in self.runs.items() if row["status"] == "complete"}

    def scores(self, split: str = "test") -> dict[int, float | None]:
        """Its scores in percent (`test` or `val`) by seed, None where a run is not complete."""
        return {seed: row[f"{split}_score"] for seed, row in self.runs.items()}

    @property
    def samples(self) -> dict[int, str | None]:
        """What tells runs of the very same samples, by seed; None where a run is not complete."""
        return {seed: row.get("samples_sha256") for seed, row in self.runs.items()}

    def mean(self, split: str = "test") -> Estimate:
        """The mean score over seeds."""
        return estimate([score for score in self.scores(split).values() if score is not None], len(self.runs))


@dataclass(frozen=True)
class Compared:
    """A cell with what it is compared with; `against` lacks what the study does not plan, and the cell itself."""

    cell: Cell
    against: dict[Against, Cell]

    @refuses_unknown
    def difference(self, against: Against) -> Estimate | None:
        """Its mean difference in test score, in points, paired by seed; None where there is nothing to compare with."""
        return paired(self.cell.scores(), self.against[against].scores()) if against in self.against else None

    @refuses_unknown
    def unlike(self, against: Against) -> bool:
        """Whether runs of different samples are compared."""
        return against in self.against and unlike(self.cell.samples, self.against[against].samples)

    @refuses_unknown
    def differences(self, against: Against) -> dict[int, float]:
        """The difference of each seed that is complete on both sides."""
        return differences(self.cell.scores(), self.against[against].scores()) if against in self.against else {}


def cell_name(condition: Condition, target: str, method: str, auxiliary: str) -> str:
    """The name of a cell within its study, of letters that every file system and every address takes."""
    origin = f"{target}-from-{auxiliary.replace('+', '-')}" if auxiliary else target
    start = f"{condition.part}--" if condition.part else ""
    return f"{start}{origin}-{method}-{condition.setting}-{condition.tuning}"


def compared_cells(table: pd.DataFrame) -> list[Compared]:
    """Every cell of the table of runs: conditions in its order, within them by target, method and auxiliary."""
    found = _cells(table)
    references = {(cell.condition, cell.target, cell.method): cell for cell in found}
    return [Compared(cell, dict(_references(cell, references))) for cell in found]


def _cells(table: pd.DataFrame) -> list[Cell]:
    rows = by_part(table)
    rows = rows.astype(object).where(rows.notna(), None)
    plain = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    groups: dict[tuple[Condition, str, str, str], list[dict[str, Any]]] = {}
    for row in plain:
        condition = Condition(row["setting"], row["tuning"], row["part"])
        groups.setdefault((condition, row["target"], row["method"], row["auxiliary"]), []).append(row)
    made = [Cell(*key, members[0]["metric"], {int(row["seed"]): row for row in members}) for key, members in groups.items()]
    order = _ranks(cell.condition for cell in made), _ranks(cell.target for cell in made), _ranks(METHODS)
    return sorted(made, key=lambda cell: (order[0][cell.condition], order[1][cell.target], order[2][cell.method]))


def _ranks(items: Iterable[Any]) -> dict[Any, int]:
    return {item: rank for rank, item in enumerate(dict.fromkeys(items))}


def _references(cell: Cell, known: dict[tuple[Condition, str, str], Cell]) -> Sequence[tuple[Against, Cell]]:
    found = [(against, known.get((cell.condition, cell.target, method))) for against, method in REFERENCES.items()]
    return [(against, other) for against, other in found if other is not None and other is not cell and cell.method != "baseline"]
