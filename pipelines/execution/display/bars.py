"""Progress as bars in a terminal: a line for each phase, below it what is going on, above it how each run ended."""

import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipelines.execution.display.pace import Pace
from pipelines.execution.display.view import Failures, about, duration

_WIDEST = 100
"""Columns that are used at most: an eye does not follow a longer line."""

_SPARE = 3
"""Columns that stay free: some terminals go to the next line when the last one is written, and the `^C` of an interrupt, which
the terminal writes itself where the cursor is, must not do so either."""

_NARROW = 50
"""Columns below which there is no room for bars."""

_PER_SECOND = 4


@dataclass
class _Phase:
    """How far a phase is."""

    name: str
    total: int | None = None
    done: int = 0
    failed: int = 0
    words: str = ""
    began: float | None = None
    took: float | None = None
    ok: bool = True
    pace: Pace | None = None
    waiting: dict[str, None] = field(default_factory=dict)
    queued: dict[str, None] = field(default_factory=dict)  # of these, the next ones, which wait for a slot
    running: dict[str, float] = field(default_factory=dict)  # since when, in the order in which they started

    def take_up(self) -> None:
        """Let the next runs take the slots that are free."""
        free = len(self.queued) if self.pace is None else self.pace.slots - len(self.running)
        for name in list(islice(self.queued, max(0, free))):
            del self.queued[name]
            self.waiting.pop(name, None)
            self.running[name] = time.monotonic()

    def left(self, now: float) -> float | None:
        """Estimated seconds until it has ended."""
        if self.pace is None or self.took is not None:
            return None
        return self.pace.left(self.waiting, {name: now - since for name, since in self.running.items()})


class Bars:
    """Draws the phases again some times a second, at the size that the terminal has then."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False)
        self._plain = not self._console.encoding.lower().startswith("utf")
        self._live: Live | None = None
        self._lock = threading.Lock()  # never held while something is written: the thread that draws takes it too
        self._phases: dict[str, _Phase] = {}
        self._now: _Phase | None = None
        self._failures = Failures()
        self._stopped = False

    def expect(self, phases: Mapping[str, int | None]) -> None:
        """Draw these phases as empty lines."""
        with self._lock:
            for name, total in phases.items():
                self._phases.setdefault(name, _Phase(name)).total = total

    def prepare(self, phase: str, words: str, done: int = 0, total: int | None = None) -> None:
        """Draw the words below the phases."""
        with self._lock:
            current = self._enter(phase)
            current.words = words
            if total is not None:
                current.total, current.done = total, done
        self._draw()

    def begin(self, phase: str, total: int, done: int, title: str, pace: Pace | None) -> None:
        """Draw a bar."""
        with self._lock:
            current = self._enter(phase)
            current.total, current.done, current.failed, current.pace = total, done, 0, pace
            current.words, current.running, current.queued = "", {}, {}
            current.waiting = {} if pace is None else dict.fromkeys(pace.kinds)
            self._failures = Failures()
        self._draw()

    def started(self, name: str) -> None:
        """Draw the run below the phases."""
        with self._lock:
            if self._now is not None:
                self._now.queued[name] = None
                self._now.take_up()

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """Write how the run ended above the phases."""
        with self._lock:
            current = self._now or _Phase("")
            current.running.pop(name, None)
            current.queued.pop(name, None)
            current.waiting.pop(name, None)
            current.done += 1
            current.failed += failed
            if current.pace is not None and not failed:
                current.pace.ended(name, seconds)
            current.take_up()
            count = f"{current.done}/{current.total}"
            words = self._failures.words(count, result) if failed else result
        self._write(self._failed(count, name, words) if failed else self._ended(count, name, words, seconds))

    def finish(self, phase: str, sentence: str, ok: bool) -> None:
        """Mark the phase; the sentence is written if it says more than the mark."""
        with self._lock:
            current = self._enter(phase)
            current.took, current.ok = time.monotonic() - (current.began or 0.0), ok
            current.words, current.running, current.queued = "", {}, {}
            if ok and current.total is not None:
                current.done = current.total
            self._now = None
        self._draw()
        if sentence and not ok:
            self.say(sentence)

    def say(self, line: str) -> None:
        """Write a line above the phases, broken between words: a path stays whole, so that it can be copied."""
        width = max(20, min(self._console.width - _SPARE, _WIDEST))
        self._write(Text(textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)))

    def stop(self) -> None:
        """Draw the phases for the last time, and give the cursor back."""
        with self._lock:
            self._stopped = True
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What is drawn now."""
        width, lines = min(options.max_width - _SPARE, _WIDEST), console.height
        with self._lock:
            now = time.monotonic()
            phases = [phase for phase in self._phases.values() if phase.began is not None or not self._stopped]
            rows = [self._row(phase, width, now) for phase in phases]
            below = [] if self._stopped else list(self._below(width, lines - len(rows) - 2, now))
        yield Group(_table(rows, width), *below)

    def _enter(self, name: str) -> _Phase:
        """The phase of this name, which is now the one that goes on; the one before has ended."""
        phase, now = self._phases.setdefault(name, _Phase(name)), time.monotonic()
        if self._now is not None and self._now is not phase and self._now.took is None:
            self._now.took = now - (self._now.began or now)
        phase.began, phase.took = phase.began if phase.began is not None else now, None
        self._now = phase
        return phase

    def _draw(self) -> None:
        with self._lock:
            start = self._live is None and not self._stopped
            if start:
                self._live = Live(
                    self, console=self._console, refresh_per_second=_PER_SECOND, vertical_overflow="crop", redirect_stderr=False
                )
            live = self._live
        if live is not None:
            if start:
                live.start(refresh=True)
            live.refresh()

    def _write(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _row(self, phase: _Phase, width: int, now: float) -> tuple[RenderableType, ...]:
        """Mark, name, bar, count, time that has passed, time left."""
        mark, style = self._mark(phase)
        total, done = phase.total, phase.done
        bar: RenderableType = ""
        if total and width >= _NARROW:
            bar = ProgressBar(
                total, done, complete_style="red" if phase.failed else style or "cyan", finished_style=style or "cyan"
            )
        passed = phase.took if phase.took is not None else now - phase.began if phase.began is not None else None
        left, note = phase.left(now), ""
        if self._stopped and phase.took is None:
            note = "stopped"
        elif left is not None and phase.began is not None:
            note = f"{phase.failed} failed, {about(left)}" if phase.failed else f"about {about(left)} left"
        elif phase.failed:
            note = f"{phase.failed} failed"
        dim = "dim" if phase.began is None else ""
        return (
            Text(mark, style),
            Text(phase.name, dim),
            bar,
            Text("" if total is None else f"{done}/{total}", dim),
            Text("" if passed is None else duration(passed)),
            Text(note, "red" if phase.failed else ""),
        )

    def _mark(self, phase: _Phase) -> tuple[str, str]:
        """The sign before a phase, and its colour."""
        if phase.began is None:
            return " ", ""
        if phase.took is None:
            return "-" if self._stopped else ">", "yellow" if self._stopped else "red" if phase.failed else "cyan"
        if phase.failed or not phase.ok:
            return "x" if self._plain else "✗", "red"
        return "+" if self._plain else "✓", "green"

    def _below(self, width: int, room: int, now: float) -> Iterator[Text]:
        """What is going on: words, or the runs, as many as there is room for."""
        current = self._now
        if current is None or room < 1:
            return
        if current.words:
            yield Text(f"    {self._cut(current.words, width - 4)}", "dim")
            return
        shown = len(current.running) if len(current.running) <= room else room - 1
        for name, since in islice(current.running.items(), shown):
            passed = duration(now - since)
            yield Text(f"    {_padded(self._cut(name, width - 13), width - 13)} {passed:>8}", "dim")
        if hidden := len(current.running) - shown:
            yield Text(f"    and {hidden} more", "dim")

    def _ended(self, count: str, name: str, result: str, seconds: float) -> Text:
        """A run that is complete: the name gives way to its score."""
        width = min(self._console.width - _SPARE, _WIDEST)
        passed = f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
        before, after = f"{count:>9}  ", f"  {_padded(result, 24)} {passed:>7}"
        room = width - cell_len(before) - cell_len(after)
        if room < 20:  # the time is what can be missed
            after = f"  {result}"
            room = max(8, width - cell_len(before) - cell_len(after))
        return Text.assemble((before, "dim"), _padded(self._cut(name, room), room), after)

    def _failed(self, count: str, name: str, words: str) -> Text:
        width, indent = max(30, min(self._console.width - _SPARE, _WIDEST)), " " * 11
        told = textwrap.fill(f"{name}: {words}", width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        return Text.assemble((f"{count:>9}  ", "dim"), (told[len(indent) :], "red"))

    def _cut(self, name: str, width: int) -> str:
        """A name that fits: it loses its middle, because it ends with its seed."""
        if cell_len(name) <= width:
            return name
        gap = "~" if self._plain else "…"
        tail = name[name.rfind("-") :] if "-" in name[-5:] else ""
        return set_cell_size(name, max(0, width - 1 - len(tail))).rstrip() + gap + tail


def _table(rows: list[tuple[RenderableType, ...]], width: int) -> Table:
    table = Table.grid(padding=(0, 1), expand=False)
    table.width = width
    table.add_column(width=1, no_wrap=True)
    table.add_column(width=8, no_wrap=True)
    table.add_column(ratio=1)
    for needed in (
        max([7, *(cell_len(str(row[3])) for row in rows)]),
        7,
        17,
    ):  # the count, the time that has passed, the time left
        table.add_column(width=needed, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))
