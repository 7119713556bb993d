"""Progress as plain lines: for files, pipes, and terminals that cannot move the cursor."""

import sys
import threading
from collections.abc import Mapping
from typing import TextIO

from pipelines.execution.display.pace import Pace
from pipelines.execution.display.view import Failures, about


class Lines:
    """One line when runs begin, one for each that has ended, one when all have."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._failures = Failures()
        self._total = self._done = 0

    def expect(self, phases: Mapping[str, int | None]) -> None:
        """Shows nothing."""

    def prepare(self, phase: str, words: str, done: int = 0, total: int | None = None) -> None:
        """Shows nothing: a file is not read while it is written."""

    def begin(self, phase: str, total: int, done: int, title: str, pace: Pace | None) -> None:
        """Say how much there is to do."""
        with self._lock:
            self._total, self._done, self._failures = total, done, Failures()
        if done < total:
            left = None if pace is None else pace.left(pace.kinds, {})
            estimate = "" if left is None else f", about {about(left)}"
            self.say(f"{title}: {total - done} of {total} to do{estimate}.")

    def started(self, name: str) -> None:
        """Shows nothing."""

    def ended(self, name: str, result: str, seconds: float, failed: bool) -> None:
        """Say how a run ended."""
        with self._lock:
            self._done += 1
            count = f"{self._done}/{self._total}"
            words = self._failures.words(count, result) if failed else result
        self.say(f"[{count}] {name}: {words} ({seconds:.1f} s)")

    def finish(self, phase: str, sentence: str, ok: bool) -> None:
        """Say how a phase ended."""
        if sentence:
            self.say(sentence)

    def say(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            # The stream of the moment: whoever replaced it, such as a test, gets what follows.
            print(line, file=self._stream or sys.stdout, flush=True)

    def stop(self) -> None:
        """Nothing to leave behind."""
