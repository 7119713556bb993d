"""Seconds by purpose, for the ledger of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up wall-clock seconds under names: `load`, `train`, `evaluate`."""

    def __init__(self) -> None:
        self.seconds = {"load": 0.0, "train": 0.0, "evaluate": 0.0}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start
