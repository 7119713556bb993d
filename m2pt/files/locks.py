"""Locks between processes, on files. The system frees a lock when its process ends, however it ends.

They use `flock` directly: the package filelock waits by polling, and its probe creates the file, needs permission to write, and
cannot be shared by several observers.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2pt.config import UserError
from m2pt.files.access import way_to_write

_POLL_S = 0.02


class LockHeldError(Exception):
    """Another process holds a lock; `holder` is its process id, or `unknown`."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path}: is held by another process (pid {holder})")
        self.holder = holder


@contextmanager
def locked(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock on a file, and write this process's id into the file.

    Args:
        path: the file; it is created if it does not exist, and is never removed.
        wait_s: how long to wait for another process to free the lock; None waits until it does.

    Raises:
        LockHeldError: another process still holds the lock after `wait_s`.
        UserError: the file cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"{path}: the lock cannot be written ({error.strerror}); {way_to_write(error)}.") from error
    try:
        _acquire(path, handle, wait_s)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(path: Path, handle: int, wait_s: float | None) -> None:
    if wait_s is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise LockHeldError(path, os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown") from None
        time.sleep(_POLL_S)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock on a file. Creates no file, and needs no permission to write."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file: nobody has ever held it
        return False
    return False
