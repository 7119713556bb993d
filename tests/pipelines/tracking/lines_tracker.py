"""A second tracker, in a file of its own: it writes what happens to the runs of a sweep as JSON lines."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.tracking.metrics import EPOCH, Point
from pipelines.tracking.publication import Publication
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import OutageError, SweepEnd

LINES = Path("lines.jsonl")


class LinesTracker:
    """Shows what happens to the runs of a sweep as lines of a file."""

    place = str(LINES)
    at_a_time = 1

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = f"{sweep.study} {sweep.id}"
        self._outages = 0

    def fail(self, times: int) -> None:
        self._outages = times

    @contextmanager
    def open(self) -> Iterator["LinesTracker"]:
        if self._outages > 0:
            self._outages -= 1
            raise OutageError(f"{LINES}: cannot be written; free some space.")
        yield self

    def shown(self, run_id: str) -> str | None:
        signatures = [line["signature"] for line in lines("ended", run_id) if line["sweep"] == self._sweep]
        return signatures[-1] if signatures else None

    def run_started(self, run: Publication) -> int:
        done_again = any(line["values"] != _values(run.epochs.get(line["epoch"], ())) for line in lines("epoch", run.run_id))
        if done_again or not lines("started", run.run_id):
            self._write("started", run=run.run_id, params=run.params)
        return max((line["epoch"] for line in lines("epoch", run.run_id)), default=0)

    def epochs(self, run: Publication, epochs: Sequence[Sequence[Point]]) -> None:
        for points in epochs:
            self._write("epoch", run=run.run_id, epoch=points[0].step, values=_values(points))

    def run_ended(self, run: Publication) -> None:
        self._write("ended", run=run.run_id, state=run.state, signature=run.signature)

    def left(self, run_id: str) -> None:
        if lines("started", run_id) and not lines("ended", run_id):
            self._write("ended", run=run_id, state="interrupted", signature="")

    def close(self, end: SweepEnd) -> None:
        self._write("closed", state=end.state, values=dict(end.values))

    def _write(self, event: str, **facts: object) -> None:
        with LINES.open("a") as file:
            file.write(json.dumps({"event": event, "sweep": self._sweep, **facts}) + "\n")


def _values(points: Sequence[Point]) -> dict[str, float]:
    return {point.key: point.value for point in points if point.key != EPOCH}


def lines(event: str, run_id: str | None = None) -> list[dict[str, Any]]:
    """The lines of an event; those of a run, since it was last shown from the start."""
    everything = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.is_file() else []
    if run_id is not None:
        mine = [line for line in everything if line.get("run") == run_id]
        starts = [index for index, line in enumerate(mine) if line["event"] == "started"]
        everything = mine[starts[-1] if starts else 0 :]
    return [line for line in everything if line["event"] == event]
