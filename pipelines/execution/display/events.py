"""Progress as events: a command that another one started tells it what happens, and that one shows it.

The default study runs as stages of DVC, each a process of its own, whose standard output reaches `m2pt study` through DVC. Every
event is one JSON text sequence (RFC 7464) in that output: a record separator, a JSON text and a line feed. All else in it is not
ours.
"""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipelines.execution.display.pace import Mean, Pace
from pipelines.execution.display.view import View

SEPARATOR = "\x1e"
"""Begins the line of an event."""
_EVENTS = ("prepare", "begin", "started", "ended", "finish", "say")


class Events:
    """Writes what happens to standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def expect(self, phases: Mapping[str, int | None]) -> None:
        """Shows nothing: the command that started this one knows the complete study."""

    def prepare(self, phase: str, words: str, done: int = 0, total: int | None = None) -> None:
        """Tell it."""
        self._tell("prepare", phase=phase, words=words, done=done, total=total)

    def begin(self, phase: str, total: int, done: int, title: str, pace: Pace | None) -> None:
        """Tell it."""
        self._tell("begin", phase=phase, total=total, done=done, title=title, pace=None if pace is None else asdict(pace))

    def started(self, name: str) -> None:
        """Tell it."""
        self._tell("started", name=name)

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """Tell it."""
        self._tell("ended", name=name, result=result, seconds=seconds, failed=failed)

    def finish(self, phase: str, sentence: str, ok: bool) -> None:
        """Tell it."""
        self._tell("finish", phase=phase, sentence=sentence, ok=ok)

    def say(self, line: str) -> None:
        """Tell it."""
        self._tell("say", line=line)

    def stop(self) -> None:
        """Nothing to leave behind."""

    def _tell(self, event: str, **values: Any) -> None:
        with self._lock:
            # The line feed before it ends a line that something else has left open.
            sys.stdout.write(f"\n{SEPARATOR}{json.dumps({'event': event} | values)}\n")
            sys.stdout.flush()


def relay(line: str, view: View) -> bool:
    """Show what a line of another command's output tells; False if it is not an event."""
    if not line.startswith(SEPARATOR):
        return False
    try:
        values: dict[str, Any] = json.loads(line[1:])
    except ValueError:  # the command was killed in the middle of it
        return True
    event = values.pop("event")
    if event in _EVENTS:
        if values.get("pace") is not None:
            values["pace"] = _pace(values["pace"])
        getattr(view, event)(**values)
    return True


def _pace(values: dict[str, Any]) -> Pace:
    kinds = {name: tuple(kinds) for name, kinds in values["kinds"].items()}
    return Pace(kinds, {kind: Mean(**mean) for kind, mean in values["known"].items()}, values["slots"])
