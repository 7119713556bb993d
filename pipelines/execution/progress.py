"""What the user sees while a command works: the phases of a study, its runs as they end, and how long the rest will take.

It imports nothing heavy, so that it can be shown before anything else is loaded.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from pipelines.execution.display.events import Events
from pipelines.execution.display.lines import Lines
from pipelines.execution.display.pace import Pace
from pipelines.execution.display.view import View
from pipelines.execution.program import as_called

EVENTS = "M2PT_EVENTS"
"""The environment variable with which a command tells those that it starts to report to it what they would show."""


class Display:
    """Shows progress: as bars in a terminal, as lines elsewhere, as events where another command of m2pt waits for them.

    Leave the context before the process ends, so that the terminal gets its cursor back. Its methods are those of a `View`.
    """

    def __init__(self) -> None:
        self.view: View = _view()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def is_relayed(self) -> bool:
        """Whether another command shows what this one tells it."""
        return isinstance(self.view, Events)

    def expect(self, phases: Mapping[str, int | None]) -> None:
        """These phases will come, in this order, with so many runs; None where a phase has none."""
        self.view.expect(phases)

    def prepare(self, phase: str, words: str, done: int = 0, total: int | None = None) -> None:
        """A phase, begun now or before, is at the point that `words` name, with `done` of its `total` parts, if it has any."""
        self.view.prepare(phase, words, done, total)

    def begin(self, phase: str, total: int, done: int, title: str, pace: Pace | None = None) -> None:
        """The `total` runs of a phase begin, of which `done` are complete already; `title` says what they are."""
        self.view.begin(phase, total, done, title, pace)

    def started(self, name: str) -> None:
        """A run has started."""
        self.view.started(name)

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """A run has ended after `seconds` with `result`, a few words or a sentence."""
        self.view.ended(name, result, seconds, failed)

    @contextmanager
    def during(self, phase: str, words: str) -> Iterator[None]:
        """A phase without runs goes on while the context is open."""
        self.prepare(phase, words)
        yield
        self.finish(phase)

    def finish(self, phase: str, sentence: str = "", ok: bool = True) -> None:
        """A phase has ended, as `sentence` says; a terminal shows it only if not all is well, for a mark says the same."""
        self.view.finish(phase, sentence, ok)

    def say(self, line: str) -> None:
        """Show one line; commands in it are those that a shell finds."""
        self.view.say(as_called(line))

    def stop(self) -> None:
        """Leave the terminal as it was; what is said from now on is plain lines."""
        self.view.stop()


def _view() -> View:
    if hasattr(sys.stdout, "reconfigure"):  # a sign that a terminal lacks is no reason to fail
        sys.stdout.reconfigure(errors="replace")
    if os.environ.get(EVENTS):
        return Events()
    if not sys.stdout.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return Lines()
    from pipelines.execution.display.bars import Bars

    return Bars()
