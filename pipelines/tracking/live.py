"""Publish runs while they go on, from a thread of its own: the work of a run never waits for the tracking store."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from m2pt.config import UserError
from m2pt.runs.folder import HISTORY
from m2pt.runs.spec import Spec
from pipelines.tracking.store import OutageError


class Publish(Protocol):
    """Brings one run into the tracking store; raises `OutageError` where the store, `UserError` where the run is at fault."""

    def __call__(self, spec: Spec, run_dir: Path, *, active: bool = False) -> None:
        """Publish what there is of a run."""


@dataclass
class _Watched:
    spec: Spec
    run_dir: Path
    finished: bool = False
    seen: tuple[int, int] | None = None


class LivePublishing:
    """Publishes the epochs of active runs every `interval_s` seconds, and finished runs at once.

    An outage of the store is told once and tried again every `retry_s` seconds.
    """

    def __init__(self, publish: Publish, warn: Callable[[str], None], interval_s: float = 2.0, retry_s: float = 30.0) -> None:
        self._publish = publish
        self._warn = warn
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._retry_at = 0.0
        self._warned = False
        self._watched: dict[Path, _Watched] = {}
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """How many finished runs are not published yet."""
        with self._mutex:
            return sum(item.finished for item in self._watched.values())

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="tracking", daemon=True)
            self._thread.start()

    def add(self, spec: Spec, run_dir: Path) -> None:
        """Publish a run as it grows."""
        with self._mutex:
            self._watched[run_dir] = _Watched(spec, run_dir)

    def finish(self, spec: Spec, run_dir: Path) -> None:
        """A run has ended: publish the whole of it, at once where no thread runs. Never raises for an outage."""
        with self._mutex:
            self._watched[run_dir] = _Watched(spec, run_dir, finished=True)
        if self._thread is None:
            self._round()
        else:
            self._wake.set()

    def close(self) -> None:
        """End the thread after a last try to publish what has finished; a run that has not is published as it stands."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._mutex:
            for item in self._watched.values():
                item.finished = True
        self._retry_at = 0.0
        self._ending = False
        self._round()

    def _loop(self) -> None:
        while not self._ending:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            self._round()

    def _round(self) -> None:
        with self._mutex:
            due = sorted(self._watched.values(), key=lambda item: not item.finished)
        if time.monotonic() < self._retry_at:
            return
        for item in due:
            if self._ending:
                return  # the last round, in `close`, does the rest
            try:
                self._bring(item)
            except OutageError as error:
                self._retry_at = time.monotonic() + self._retry_s
                self._tell(f"{error} Runs go on without tracking; `m2pt publish` adds them later.")
                return
            except UserError as error:
                self._tell(str(error))
                self._forget(item)
            except Exception as error:  # tracking is a view: whatever ails it, the runs go on
                self._tell(f"{item.run_dir}: cannot be tracked ({type(error).__name__}: {error}).")
                self._forget(item)

    def _bring(self, item: _Watched) -> None:
        if item.finished:
            self._publish(item.spec, item.run_dir)
            self._forget(item)
            return
        try:
            stat = (item.run_dir / HISTORY).stat()
        except FileNotFoundError:
            return
        now = (stat.st_size, stat.st_mtime_ns)
        if now != item.seen:
            self._publish(item.spec, item.run_dir, active=True)
            item.seen = now

    def _forget(self, item: _Watched) -> None:
        with self._mutex:
            if self._watched.get(item.run_dir) is item:
                del self._watched[item.run_dir]

    def _tell(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(message)
