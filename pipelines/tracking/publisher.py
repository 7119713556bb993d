"""Publishing runs to a tracker: the one way from a run's folder to what is shown of it, live and afterwards."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from m2pt.config import UserError
from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.tracking.publication import read_publication, signature, state_of
from pipelines.tracking.tracker import OpenSweep, OutageError, SweepEnd, Tracker

WEIGHTS_LIMIT_BYTES = 16 * 2**20
"""Weights above this size stay in the run's own folder."""


@dataclass(frozen=True)
class RunOnDisk:
    """A run to publish; `active` says that a job is at work on it, `trial` that it is one of a choice."""

    spec: Spec
    run_dir: Path
    active: bool = False
    trial: bool = False


class Publisher:
    """Publishes the runs of one sweep; nothing is contacted before the first run.

    Leaving the context ends the sweep, as interrupted on an exception.
    """

    def __init__(self, tracker: Tracker, weights_limit_bytes: int = WEIGHTS_LIMIT_BYTES) -> None:
        self.tracker = tracker
        self._weights_limit_bytes = weights_limit_bytes
        self._is_open = False
        self._left: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close(SweepEnd())
        else:
            with suppress(OutageError):  # the first fault is the one to report
                self.close(SweepEnd(RunState.INTERRUPTED))

    def publish(self, spec: Spec, run_dir: Path, *, active: bool = False, trial: bool = False) -> None:
        """Publish what there is of one run.

        Raises:
            OutageError: the tracker cannot be used.
            UserError: the run's folder is damaged.

        """
        if self._is_there(run := RunOnDisk(spec, run_dir, active, trial)):
            with self._sweep() as sweep:
                self._show(sweep, run)

    def publish_all(self, runs: Sequence[RunOnDisk]) -> dict[Path, str]:
        """Publish what there is of these runs, as many at a time as the tracker takes.

        Returns the folder of each run with a damaged file, which holds up no other, and what is wrong with it, in a sentence.

        Raises:
            OutageError: the tracker cannot be used.

        """
        damage: dict[Path, str] = {}

        def show(sweep: OpenSweep, run: RunOnDisk) -> None:
            try:
                self._show(sweep, run)
            except OutageError:
                raise
            except UserError as error:
                damage[run.run_dir] = str(error)

        if some := [run for run in runs if self._is_there(run)]:
            with self._sweep() as sweep:
                if sweep.at_a_time > 1:
                    with ThreadPoolExecutor(sweep.at_a_time) as pool:
                        list(pool.map(lambda run: show(sweep, run), some))
                    return dict(sorted(damage.items()))
        for run in some:  # others may write between two runs
            with self._sweep() as sweep:
                show(sweep, run)
        return damage

    def _is_there(self, run: RunOnDisk) -> bool:
        if state_of(run.run_dir, run.active) == RunState.MISSING:  # also one that was stopped before its first epoch had ended
            self._left.add(run_id(run.spec))
            return False
        self._left.discard(run_id(run.spec))
        return True

    def _show(self, sweep: OpenSweep, run: RunOnDisk) -> None:
        state = state_of(run.run_dir, run.active)
        if sweep.shown(run_id(run.spec)) == signature(run.run_dir, state):
            return
        limit = self._weights_limit_bytes
        shown = read_publication(run.spec, run.run_dir, active=run.active, trial=run.trial, weights_limit_bytes=limit)
        last = sweep.run_started(shown)
        if new := [points for epoch, points in shown.epochs.items() if epoch > last]:
            sweep.epochs(shown, new)
        if shown.state != RunState.RUNNING:
            sweep.run_ended(shown)

    @contextmanager
    def _sweep(self) -> Iterator[OpenSweep]:
        try:
            with self.tracker.open() as sweep:
                self._is_open = True
                yield sweep
        except OutageError:
            self._is_open = False
            raise

    def close(self, end: SweepEnd) -> None:
        """End the sweep; a tracker that was not used, or is out of reach, is contacted only if there is an outcome to show.

        Raises:
            OutageError: the tracker cannot be used.

        """
        if self._is_open or end.values or end.report:
            with self._sweep() as sweep:
                for left in sorted(self._left):
                    sweep.left(left)
                sweep.close(end)
            self._left.clear()
            self._is_open = False
