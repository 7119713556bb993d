"""Publishing runs while they go on, from one thread with one queue: no run waits for the tracker or fails because of it."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from os import stat_result
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from m2pt.config import UserError
from m2pt.runs.folder import HISTORY, TIMES, RunState
from m2pt.runs.spec import Spec
from pipelines.tracking.address import masked
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.tracker import OutageError, SweepEnd, Tracker

_LATER = "The runs go on without tracking; `m2pt publish` adds them later."

_INTERRUPTED_LIMIT_S = 1.0
_LONGEST_WAIT_S = 3600.0
_AFTER_S = 1.0
"""So long the publication of a run that has ended waits: by then the next one computes, and nothing competes with its start."""

Seen = tuple[tuple[int, int], ...]
"""The size and time of the files that grow with each epoch. An epoch is published when both have it."""


@dataclass
class _Watched:
    """A run to publish from the time `due` on; `seen` says what of its epochs was there when it was last published."""

    spec: Spec
    run_dir: Path
    trial: bool = False
    ended: bool = False
    due: float = 0.0
    seen: Seen | None = None


class LiveTracking:
    """Publishes the new epochs of running runs every `interval_s` seconds, and a run that has ended a second later.

    A run that ends sooner is published once, as it has ended. `make_tracker` is called in the thread, because the import of a
    tracker may take seconds, and when the first run is due, so that it does not hold up the start of the runs. Only the first
    fault is reported, through `warn`. After an outage the tracker is tried again every `retry_s` seconds, and once more at the
    end, but not more often than runs are looked at.
    """

    def __init__(
        self,
        make_tracker: Callable[[], Tracker],
        warn: Callable[[str], None],
        interval_s: float = 5.0,
        retry_s: float = 30.0,
    ) -> None:
        self._make_tracker = make_tracker
        self._warn = warn
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._queue: SimpleQueue[_Watched | SweepEnd] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        # All of these belong to the thread.
        self._watched: dict[Path, _Watched] = {}
        self._retry_at = 0.0
        self._warned = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # On an interrupt nobody waits for a slow tracker: the next start publishes what is missing.
        limit_s = None if error is None or isinstance(error, Exception) else _INTERRUPTED_LIMIT_S
        self.end(RunState.COMPLETE if error is None else RunState.INTERRUPTED, limit_s)

    def end(self, state: RunState, limit_s: float | None = None) -> None:
        """End the sweep, and wait until all is published, for `limit_s` at most; nothing comes after it."""
        self._queue.put(SweepEnd(state))
        self._thread.join(limit_s)

    def run_started(self, spec: Spec, run_dir: Path, trial: bool = False) -> None:
        """A job starts on this run, which may be one of a trial: publish its epochs as they come."""
        self._queue.put(_Watched(spec, run_dir, trial, due=time.monotonic() + self._interval_s))

    def run_ended(self, spec: Spec, run_dir: Path, trial: bool = False) -> None:
        """The job on this run has ended, in whatever way: publish the rest of the run."""
        due = time.monotonic() + min(_AFTER_S, self._interval_s)
        self._queue.put(_Watched(spec, run_dir, trial, ended=True, due=due))

    def _work(self) -> None:
        end = self._next_end()
        try:
            publisher = Publisher(self._make_tracker())
        except Exception as error:  # a tracker is a view of the records: whatever is wrong with it, the runs go on
            self._report(f"Tracking cannot start ({type(error).__name__}: {masked(str(error))}). {_LATER}")
            return
        while end is None:
            self._publish_due(publisher)
            end = self._next_end()
        for run in self._watched.values():
            run.ended, run.due = True, 0.0  # as far as this sweep is concerned: it is published as it is now
        self._publish_due(publisher)
        try:
            publisher.close(end)
        except Exception as error:
            self._report(f"{masked(str(error))} The sweep stays open in the tracker until it is published again.")

    def _next_end(self) -> SweepEnd | None:
        """Take what comes until a run is due; the end of the sweep, or None before it."""
        while True:
            with suppress(Empty):
                event = self._queue.get(timeout=self._until_due())
                while not isinstance(event, SweepEnd):
                    self._watched[event.run_dir] = event
                    event = self._queue.get_nowait()
                return event
            if self._until_due() == 0.0:
                return None

    def _until_due(self) -> float | None:
        """The seconds until a run is due and the tracker may be tried, or the longest wait at a time; None without runs."""
        if not self._watched:
            return None
        due = max(min(run.due for run in self._watched.values()), self._retry_at)
        return min(max(0.0, due - time.monotonic()), _LONGEST_WAIT_S)

    def _publish_due(self, publisher: Publisher) -> None:
        """Publish what is new, runs that have ended first. An outage ends the round; a fault of one run ends that run's part."""
        now = time.monotonic()
        for run in sorted((run for run in self._watched.values() if run.due <= now), key=lambda run: not run.ended):
            try:
                self._publish(publisher, run)
            except OutageError as error:
                self._retry_at = time.monotonic() + max(self._retry_s, self._interval_s)
                self._report(f"{error} {_LATER}")
                return
            except UserError as error:
                self._report(str(error))
                del self._watched[run.run_dir]
            except Exception as error:
                self._report(f"{run.run_dir}: cannot be tracked ({type(error).__name__}: {masked(str(error))}).")
                del self._watched[run.run_dir]

    def _publish(self, publisher: Publisher, run: _Watched) -> None:
        if run.ended:
            publisher.publish(run.spec, run.run_dir, trial=run.trial)
            del self._watched[run.run_dir]
            return
        now = tuple((file.st_size, file.st_mtime_ns) for name in (HISTORY, TIMES) if (file := _stat(run.run_dir / name)))
        if now != run.seen:
            publisher.publish(run.spec, run.run_dir, active=True, trial=run.trial)
            run.seen = now
        run.due = time.monotonic() + self._interval_s

    def _report(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(message)


def _stat(path: Path) -> stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
