"""Installs what a lock file names into this Python, and shows how far it is: `python -m pipelines.execution.install FILE LOG`.

It imports the standard library alone, for nothing else is installed yet.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_TICK_S = 0.5
_NOT_SHOWN = re.compile(r"WARNING|DEPRECATION|\[notice\]|\s*$")
"""What of pip's second stream is no error."""

_FOUND = re.compile(
    r"(?:Collecting|Requirement already satisfied:|Processing (?:\S*/)?) ?([A-Za-z0-9._]+(?:-[A-Za-z][A-Za-z0-9._]*)*)"
)
"""A package of an index, one that is there, or a file of one: its name."""


@dataclass
class Progress:
    """How far pip is with `total` packages: it gets all of them first, then installs them."""

    total: int
    got: int = 0
    name: str = ""
    installs: bool = False
    errors: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        """A line of pip's output."""
        if found := _FOUND.match(line):
            self.got, self.name = self.got + 1, found[1]
        self.installs = self.installs or line.startswith("Installing collected packages")

    def complain(self, line: str) -> None:
        """A line of its error stream."""
        if not _NOT_SHOWN.match(line):
            self.errors.append(line)


class Shown:
    """One line with the time: written over itself in a terminal, elsewhere once for each step and each quarter of one."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._over = sys.stdout.isatty()
        self._last: tuple[str, int] | None = None

    def show(self, words: str, done: int, total: int, name: str = "") -> None:
        """A step is at `done` of `total`."""
        quarter = (words, 4 * done // max(1, total))
        if self._over:
            line = f"{words} {done}/{total}  {self.elapsed()}  {name}"
            print(f"\r{line[:78]:78}", end="", flush=True)
        elif quarter != self._last:
            print(f"{words} {done}/{total}  {self.elapsed()}", flush=True)
        self._last = quarter

    def end(self, line: str) -> None:
        """The last line, in the place of the others."""
        print(f"\r{'':78}\r{line}" if self._over else line, flush=True)

    def elapsed(self) -> str:
        """Minutes and seconds since the begin."""
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        return f"{minutes}:{seconds:02}"


def install(lock: Path, path: Path) -> int:
    """Install what a lock file names; returns pip's exit code. Its errors are shown, all that it says is kept at `path`."""
    total = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    progress, shown, before = Progress(total), Shown(), _installed()
    print(f"Installing {total} packages, once: about a minute, several on a slow network.", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    with path.open("w", encoding="utf-8") as log:
        hashed = ["--require-hashes"] if lock.suffix == ".hashes" else []
        pip = subprocess.Popen([*command, *hashed, "-r", str(lock)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        readers = [_reader(pip.stdout, log, progress.take), _reader(pip.stderr, log, progress.complain)]
        try:
            while pip.poll() is None:
                if progress.installs:
                    shown.show("Installing packages", min(_installed() - before, progress.got), progress.got)
                else:
                    shown.show("Getting packages", progress.got, max(total, progress.got), progress.name)
                readers[0].join(_TICK_S)
        finally:  # an interrupt reaches pip too, which then ends by itself
            code = pip.wait()
            for reader in readers:
                reader.join()
    if code:
        shown.end(f"The packages could not be installed; {path} has all that pip said.")
        print(*progress.errors, sep="\n", file=sys.stderr)
    else:
        shown.end(f"{total} packages are installed ({shown.elapsed()}).")
    return code


def _installed() -> int:
    return sum(1 for _ in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def _reader(stream: IO[str] | None, log: IO[str], take: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        for line in stream or ():
            log.write(line)
            take(line.rstrip())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def main(arguments: Sequence[str]) -> int:
    """Entry point; an interrupt ends it without a traceback."""
    try:
        return install(*map(Path, arguments))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
