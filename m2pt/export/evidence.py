"""What a study knows about the cell of an exported run: its score, its gains with their intervals, its controls."""

from collections.abc import Sequence
from dataclasses import dataclass

from m2pt.analysis.numbers.cells import CONTROLS, Cell
from m2pt.analysis.numbers.comparisons import REFERENCES, Against, compared
from m2pt.analysis.numbers.statistics import Estimate
from m2pt.analysis.numbers.unequal import missing
from m2pt.analysis.tables.phrases import CONTROL


@dataclass(frozen=True)
class Gain:
    """A mean difference in test score from another cell, paired by seed; `notes` limit what it says."""

    what: str
    over: str
    estimate: Estimate
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The cell of a run within its study, its gains, and what the controls of its target show."""

    study: str
    cell: Cell
    gains: tuple[Gain, ...]
    controls: tuple[Gain, ...]


_OVER: dict[Against, str] = {"baseline": "no auxiliary", "random": "random weights in the auxiliary's place"}


def evidence_of(study: str, cells: Sequence[Cell], run_id: str) -> Evidence | None:
    """The evidence about a run's cell; None where no cell of the study has it. Of several parts the first counts."""
    items = compared(cells)
    mine = next((item for item in items if any(run.run_id == run_id for run in item.cell.runs.values())), None)
    if mine is None:
        return None
    same = [item for item in items if (item.cell.condition, item.cell.target) == (mine.cell.condition, mine.cell.target)]
    gains = [_gain("this cell", mine.cell, mine.against[against], against) for against in REFERENCES if against in mine.against]
    controls = [
        _gain(CONTROL[role], item.cell, item.against["random"], "random")
        for role in CONTROLS
        for item in same
        if item.cell.role == role and "random" in item.against
    ]
    return Evidence(study, mine.cell, tuple(gains), tuple(controls))


def _gain(what: str, cell: Cell, reference: Cell, against: Against) -> Gain:
    lost = missing([(cell, reference)])
    notes = (*([lost.words] if lost.differs else []), *(["on different samples"] if cell.is_unlike(reference) else []))
    return Gain(what, _OVER[against], cell.gain(reference), notes)
