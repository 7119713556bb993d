"""Publishing runs to MLflow beside a sweep: in its own thread, so that tracking delays no run, and an outage fails none."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from m2pt.runs.spec import Spec

if TYPE_CHECKING:
    from pipelines.tracking.mlflow_tracker import Publisher


class LiveTracking:
    """Opens the publisher in the background and hands it what happens; only the first fault is told through `warn`."""

    def __init__(self, study: str, sweep: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._publisher: Publisher | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        self._broken = False
        self._thread.submit(self._guarded, lambda: self._open(study, sweep))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:  # interrupted: what was not published yet is published by the next start
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._guarded(lambda: self._close("KILLED"))
        else:
            self._thread.submit(self._guarded, lambda: self._close("FINISHED"))
            self._thread.shutdown(wait=True)

    def start(self, spec: Spec, run_dir: Path) -> None:
        """A run starts: publish it while it goes on."""
        self._thread.submit(self._guarded, lambda: self._opened().start_live(spec, run_dir))

    def finish(self, spec: Spec, run_dir: Path) -> None:
        """A run has ended, in whatever way: publish the rest of it."""
        self._thread.submit(self._guarded, lambda: self._opened().finish(spec, run_dir))

    def _open(self, study: str, sweep: str) -> None:
        from pipelines.tracking.mlflow_tracker import Publisher

        publisher = Publisher(study, sweep, warn=self._warn)
        publisher.watch()
        self._publisher = publisher

    def _opened(self) -> "Publisher":
        if self._publisher is None:
            raise RuntimeError("it did not open")
        return self._publisher

    def _close(self, status: str) -> None:
        if self._publisher is not None:
            self._publisher.close(status)

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # tracking is a view of the records: whatever ails it, the sweep goes on
            if not self._broken:
                self._warn(f"MLflow tracking is out of order ({error}); the runs go on, and `m2pt publish` publishes them later.")
            self._broken = True
