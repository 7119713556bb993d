"""Waiting for what happens in another process: as long as it takes on a busy machine, and no longer than it takes."""

import time
from collections.abc import Callable

PATIENCE_S = 240.0
"""A deadline that only what hangs reaches."""


def comes_true(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Whether a condition comes true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
