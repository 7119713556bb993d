"""The runs of a study that are not complete, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.analysis.numbers.cells import CellKey, Condition
from m2pt.runs.damage import whole_state
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.record import PretrainRecord
from m2pt.runs.spec import PretrainSpec

_STATES: dict[str, str] = {
    RunState.FAILED: "no reason was recorded",
    RunState.INTERRUPTED: "stopped before its end; running the study again continues from its last checkpoint",
    RunState.MISSING: "not run yet",
}
_UNREADY = "not run yet: an encoder that it needs has not been made"


@dataclass(frozen=True)
class Gap:
    """Runs that differ by seed alone, and are not complete for one reason. `cell` is that of fine-tuning runs."""

    name: str
    cell: CellKey | None
    status: str
    reason: str
    seeds: tuple[int, ...]


def encoder_gaps(specs: Sequence[PretrainSpec], folder: Path) -> list[Gap]:
    """The pretraining runs that are not complete."""
    gaps = []
    for spec in specs:
        run_dir = folder / run_id(spec) if spec.ready else None
        state, error = whole_state(run_dir, PretrainRecord) if run_dir else (RunState.MISSING, None)
        if state != RunState.COMPLETE:
            name, reason = spec.name.rpartition("-s")[0], why(state, spec.ready, error)
            gaps.append(Gap(name, None, state, reason, (spec.seed,)))
    return _together(gaps)


def run_gaps(table: pd.DataFrame) -> list[Gap]:
    """The incomplete runs of a table of runs (`m2pt.runs.table.read_table`); one of several parts is in the first of them."""
    gaps: list[Gap] = []
    if table.empty:
        return gaps
    rows = table.assign(part=table["parts"].astype(str).str.partition(" ")[0], error=table["error"].astype(object).fillna(""))
    for row in rows[rows["status"] != "complete"].to_dict("records"):
        cell = CellKey(Condition(row["setting"], row["tuning"], row["part"]), row["target"], row["method"], row["auxiliary"])
        reason = why(row["status"], bool(row["run_id"]), row["error"])
        gaps.append(Gap(cell.name, cell, row["status"], reason, (int(row["seed"]),)))
    return _together(gaps)


def why(state: str, ready: bool, error: Any) -> str:
    """Why a run is not complete, in one line."""
    return " ".join(str(error or (_STATES[state] if ready else _UNREADY)).split())


def _together(gaps: Iterable[Gap]) -> list[Gap]:
    """One gap for those that differ by their draw alone."""
    seeds: dict[Gap, list[int]] = {}
    for gap in gaps:
        known = seeds.setdefault(replace(gap, seeds=()), [])
        known += [seed for seed in gap.seeds if seed not in known]
    return [replace(gap, seeds=tuple(members)) for gap, members in seeds.items()]
