"""A terminal to run a program in: a pseudo-terminal, and the screen that its output draws.

The screen knows what rich writes (carriage returns, cursor moves, erasing, colours) and fails on anything else, so that a test
never passes because a code was overlooked.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_ESCAPE = re.compile(r"\x1b\[(?P<private>\??)(?P<numbers>[\d;]*)(?P<kind>[A-Za-z])")
_PART_OF_ESCAPE = re.compile(r"\x1b(\[\??[\d;]*)?$")


class Screen:
    """What a terminal shows: `history` has left it at the top, `rows` are on it; `looks` has the codes of each letter of both."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.history: list[str] = []
        self.rows = [""]
        self.row = self.column = 0
        self.hidden = False  # the cursor
        self.colours: set[str] = set()
        self.looks: list[list[str]] = [[]]
        self._look = ""
        self.widest = 0
        self._left = ""

    @property
    def text(self) -> str:
        """All that a person can read, also by scrolling back."""
        return "\n".join(line.rstrip() for line in (*self.history, *self.rows))

    @property
    def shown(self) -> str:
        """What is on the screen now."""
        return "\n".join(line.rstrip() for line in self.rows)

    def resize(self, columns: int, lines: int) -> None:
        """As xterm does it: what no longer fits is cut off."""
        self.columns, self.lines = columns, lines
        self.rows = [line[:columns] for line in self.rows]
        self.column = min(self.column, columns)
        self._scroll()

    def write(self, text: str) -> None:
        """Draw a piece of output."""
        text, at = self._left + text, 0
        cut = _PART_OF_ESCAPE.search(text)
        text, self._left = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
        while at < len(text):
            if text[at] == "\x1b":
                found = _ESCAPE.match(text, at)
                assert found, f"an unknown code: {text[at : at + 12]!r}"
                self._obey(found["private"] + found["kind"], found["numbers"])
                at = found.end()
            else:
                self._put(text[at])
                at += 1

    def _put(self, letter: str) -> None:
        match letter:
            case "\r":
                self.column = 0
            case "\n":
                self._down()
            case "\b":
                self.column = max(0, self.column - 1)
            case _:
                assert letter.isprintable(), f"an unknown letter: {letter!r}"
                width = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
                if self.column + width > self.columns:
                    self.column = 0
                    self._down()
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + letter + line[self.column + 1 :]
                looks = self.looks[len(self.history) + self.row]
                looks.extend([""] * (self.column + 1 - len(looks)))
                looks[self.column] = self._look
                self.column += width
                self.widest = max(self.widest, self.column)

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")
            self.looks.append([])
        self._scroll()

    def _scroll(self) -> None:
        while len(self.rows) > self.lines:
            self.history.append(self.rows.pop(0))
            self.row = max(0, self.row - 1)

    def _obey(self, kind: str, numbers: str) -> None:
        count = int(numbers) if numbers.isdecimal() else 1
        line = self.rows[self.row]
        match kind:
            case "A":
                self.row = max(0, self.row - count)
            case "K":
                self.rows[self.row] = {"2": "", "1": line[self.column :].rjust(len(line))}.get(numbers, line[: self.column])
                del self.looks[len(self.history) + self.row][0 if numbers == "2" else self.column :]
            case "?l" | "?h":
                assert numbers == "25", f"an unknown mode: {numbers}"
                self.hidden = kind == "?l"
            case "m":
                self._look = "" if numbers in ("", "0") else f"{self._look};{numbers}".strip(";")
                self.colours |= {number for number in numbers.split(";") if re.fullmatch(r"[34]\d|9\d|10\d", number)}
            case _:
                raise AssertionError(f"an unknown code: {kind}{numbers}")


class Terminal:
    """A program that runs in a terminal of some size."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        lines: int = 40,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = Screen(columns, lines)
        self.raw = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._end, inside = pty.openpty()
        self._set_size(columns, lines)
        variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "CI")}
        variables = variables | {"TERM": "xterm-256color"} | dict(env or {})
        self.process = subprocess.Popen(
            command,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            cwd=cwd,
            env=variables,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inside)

    def until(self, holds: Callable[[Screen], bool], limit_s: float = 60.0) -> Screen:
        """Draw until the screen is as asked for, or the program has ended; raises `AssertionError` after the limit."""
        deadline = time.monotonic() + limit_s
        while not holds(self.screen):
            assert time.monotonic() < deadline, f"still waiting; the screen shows:\n{self.screen.text}"
            if not self._draw():
                assert holds(self.screen), f"the program has ended; the screen shows:\n{self.screen.text}"
        return self.screen

    def end(self, limit_s: float = 60.0) -> int:
        """Draw until the program has ended; returns its exit code, negative for a signal."""
        deadline = time.monotonic() + limit_s
        while self._draw():
            assert time.monotonic() < deadline, f"still running; the screen shows:\n{self.screen.text}"
        os.close(self._end)
        return self.process.wait(limit_s)

    def press(self, key: bytes) -> None:
        """Press a key; `b"\\x03"` is Ctrl-C."""
        os.write(self._end, key)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        while self._draw(0.0):
            if not select.select([self._end], [], [], 0)[0]:
                break
        self._set_size(columns, lines)
        self.screen.resize(columns, lines)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _draw(self, wait_s: float = 0.2) -> bool:
        """Draw what has come; whether more may come."""
        if not select.select([self._end], [], [], wait_s)[0]:
            return True
        try:
            received = os.read(self._end, 65536)
        except OSError:  # Linux: no process has the terminal open any more
            return False
        text = self._decoder.decode(received)
        self.raw += text
        self.screen.write(text)
        return bool(received)
