"""What tells one state of a file from another without reading it: the key of all that is remembered of its content."""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICK_S = 0.02
"""How coarse the time stamps of a file system may be."""

_COARSE_TICK_S = 2.0
"""The same where they are whole seconds."""


class FileState(NamedTuple):
    """Changes whenever the content of a file does: device, inode, bytes, and when content and status changed last (ns).

    The time of the last status change is what counts: no program can set it, so that a copy which keeps size and time of its
    original (`rsync -t`), or a link that leads elsewhere now, is another state.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def state_of(status: os.stat_result) -> FileState:
    """The state in the result of a call of `stat`."""
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def settled(path: Path) -> FileState:
    """The state of a file that no later change can bear again. Raises OSError where it cannot be looked at."""
    state = state_of(path.stat())
    wait_for_clock([state])
    return state


def wait_for_clock(states: Iterable[FileState]) -> None:
    """Let the file system's clock move on: what is written after this cannot bear the time of one of these states."""
    newest = max(state.changed_ns for state in states)
    tick = _TICK_S if newest % 1_000_000_000 else _COARSE_TICK_S
    if abs(time.time() - newest / 1e9) < tick:  # the clock of a file server may be ahead of this machine's
        time.sleep(tick)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
