"""The state of a file, recognised without reading it: the key of everything that is remembered about its content."""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK_S = 0.02
"""How coarse the time stamps of a file system may be."""

_COARSE_TICK_S = 2.0
"""The same for time stamps in whole seconds."""


class FileState(NamedTuple):
    """Changes whenever the content of a file does: device, inode, bytes, and when content and status changed last (ns).

    The time of the last status change is what counts: no program can set it, so a copy that keeps the size and time of its
    original (`rsync -t`), or a link that now points elsewhere, is another state.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def state_of(status: os.stat_result) -> FileState:
    """The state, from the result of `stat`."""
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def settled(path: Path) -> FileState:
    """The state of a file, which no later change can repeat. Raises OSError if the file cannot be accessed."""
    state = state_of(path.stat())
    wait_for_clock([state])
    return state


def wait_for_clock(states: Iterable[FileState]) -> None:
    """Wait until the file system's clock moves on: what is written afterwards cannot have the time of any of these states."""
    newest = max((state.changed_ns for state in states), default=0)
    tick = _TICK_S if newest % 1_000_000_000 else _COARSE_TICK_S
    if abs(time.time() - newest / 1e9) < tick:  # the clock of a file server may be ahead of this machine's
        time.sleep(tick)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
