"""What the user sees while runs go on: a progress bar in a terminal, one line per finished run elsewhere."""

import sys
import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Display:
    """Shows the progress of a set of runs. Many threads may call its methods."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._lock = threading.Lock()
        self._running: dict[str, None] = {}  # in the order in which they started
        self._total, self._done = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def say(self, line: str) -> None:
        """Print one line."""
        with self._lock:
            console = self._bar.console if self._bar is not None else self._console
            console.print(line, markup=False)
            sys.stdout.flush()

    def begin(self, title: str, total: int, done: int) -> None:
        """Start a new set of runs, of which `done` are complete already."""
        self._stop()
        self._total, self._done = total, done
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[running]}", style="dim"), console=self._console)
            self._bar.add_task(title, total=total, completed=done, running="")
            self._bar.start()

    def started(self, name: str) -> None:
        """A run has started."""
        with self._lock:
            self._running[name] = None
        self._refresh()

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """A run has ended after `seconds` with `result`, a few words or a sentence."""
        with self._lock:
            self._running.pop(name, None)
            self._done += 1
            count = f"[{self._done}/{self._total}]"
        if self._bar is None or failed:
            self.say(f"{count} {name}: {'FAILED, ' if failed else ''}{result} ({seconds:.1f} s)")
        self._refresh()

    def _refresh(self) -> None:
        if self._bar is not None:
            with self._lock:
                running, done = ", ".join(self._running), self._done
            self._bar.update(self._bar.task_ids[0], completed=done, running=running)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
