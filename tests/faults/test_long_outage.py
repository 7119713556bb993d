"""An hour's outage of a tracker while a thousand short runs are done: none of them waits for it, and no point is lost."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from m2pt.runs.identity import run_id
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.metrics import Point
from pipelines.tracking.publication import Publication, read_publication
from pipelines.tracking.publisher import Publisher, RunOnDisk
from pipelines.tracking.tracker import OutageError, SweepEnd
from tests.pipelines import synthetic
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.patient, pytest.mark.timeout(900)]

RUNS = 1000


class Shelf:
    """A tracker that keeps what it is shown, once it can be reached; until then it is `down`, or takes a call and `hangs`."""

    place = "a shelf"
    at_a_time = 1

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.reached = threading.Event()
        self.asked_by: Counter[str] = Counter()
        self.points: Counter[tuple[str, Point]] = Counter()
        self.signatures: dict[str, str] = {}

    @contextmanager
    def open(self) -> Iterator["Shelf"]:
        self.asked_by[threading.current_thread().name] += 1
        if self.fault == "hangs":
            assert self.reached.wait(PATIENCE_S)
        elif not self.reached.is_set():
            raise OutageError("a shelf: cannot be reached; wait.")
        yield self

    def shown(self, run_id: str) -> str | None:
        return self.signatures.get(run_id)

    def run_started(self, run: Publication) -> int:
        return max(run.epochs) if run.run_id in self.signatures else 0

    def epochs(self, run: Publication, epochs: Sequence[Sequence[Point]]) -> None:
        self.points.update((run.run_id, point) for points in epochs for point in points)

    def run_ended(self, run: Publication) -> None:
        self.points.update((run.run_id, point) for point in run.summary)
        self.signatures[run.run_id] = run.signature

    def left(self, run_id: str) -> None:
        """Nothing was begun."""

    def close(self, end: SweepEnd) -> None:
        """The sweep has no outcome of its own."""


@pytest.mark.parametrize("fault", ["down", "hangs"])
def test_an_outage_during_a_thousand_short_runs_costs_no_wait_and_no_point(tmp_path: Path, fault: str) -> None:
    specs = [synthetic.pathway_spec(seed) for seed in range(1, RUNS + 1)]
    shelf, told = Shelf(fault), list[str]()
    with LiveTracking(lambda: shelf, told.append, retry_s=3600.0) as live:
        for spec in specs:
            live.run_started(spec, tmp_path / "runs" / run_id(spec))
            live.run_ended(spec, synthetic.whole(tmp_path / "runs", spec))
        assert shelf.points == Counter() and not shelf.reached.is_set(), "all runs have ended, and nothing was reached yet"
        assert set(shelf.asked_by) <= {"tracking"} and shelf.asked_by.total() <= 1, "no run asks"
        if fault == "hangs":
            shelf.reached.set()
    assert len(told) == (fault == "down"), told
    shelf.reached.set()
    with Publisher(shelf) as publisher:  # as the next start does
        publisher.publish_all([RunOnDisk(spec, tmp_path / "runs" / run_id(spec)) for spec in specs])
    wanted: Counter[tuple[str, Point]] = Counter()
    for spec in specs:
        shown = read_publication(spec, tmp_path / "runs" / run_id(spec))
        wanted.update((shown.run_id, point) for points in [*shown.epochs.values(), shown.summary] for point in points)
    assert shelf.points == wanted and set(wanted.values()) == {1} and len({key for key, _ in wanted}) == RUNS
