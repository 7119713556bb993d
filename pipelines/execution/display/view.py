"""What a view of the progress is: it is told what happens, and shows it."""

from collections.abc import Mapping
from typing import Protocol

from pipelines.execution.display.pace import Pace

SETTING_UP, DATA, ENCODERS, TUNING, SEARCH, RUNS, REPORT = "set up", "data", "encoders", "tuning", "search", "runs", "report"
"""The phases of a study."""

FIRST = {"data": DATA, "pretrain": ENCODERS, "sweep": RUNS, "report": REPORT, "study": SETTING_UP, "search": SETTING_UP}
"""With which phase the commands that take long begin."""


class View(Protocol):
    """Shows the phases of a study, one after another. Many threads may call its methods."""

    def expect(self, phases: Mapping[str, int | None]) -> None:
        """These phases will come, in this order, with so many runs; None where a phase has none."""

    def prepare(self, phase: str, words: str, done: int = 0, total: int | None = None) -> None:
        """A phase, begun now or before, is at the point that `words` name, with `done` of its `total` parts, if it has any."""

    def begin(self, phase: str, total: int, done: int, title: str, pace: Pace | None) -> None:
        """The `total` runs of a phase begin, of which `done` are complete already."""

    def started(self, name: str) -> None:
        """A run has started."""

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """A run has ended after `seconds` with `result`, a few words or a sentence."""

    def finish(self, phase: str, sentence: str, ok: bool) -> None:
        """A phase has ended, as `sentence` says; nothing is said if that is empty."""

    def say(self, line: str) -> None:
        """Show one line."""

    def stop(self) -> None:
        """Leave the terminal as it was; a second call does nothing."""


class Failures:
    """The reasons of the failures of a phase, each told once."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def words(self, count: str, reason: str) -> str:
        """What to say of the run with this count that failed: the reason, or the first run that failed for this reason."""
        first = self._first.setdefault(reason, count)
        return f"FAILED, {reason}" if first == count else f"FAILED, for the same reason as {first}"


def duration(seconds: float) -> str:
    """A time that has passed, as a clock shows it: 0:07, 12:05, 1:02:33."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """An estimated time, with no more digits than an estimate has."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36000 else f"{round(seconds / 3600)} h"
