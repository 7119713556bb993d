"""A lock between processes, on a file."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2pt.config import UserError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; it ends with the process, so that a killed one leaves nothing behind that blocks."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("wb")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); free space or permissions, then run again.") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
