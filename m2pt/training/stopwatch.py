"""What a run measures about itself for its ledger: seconds by purpose, and a forward pass of its final model."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from m2pt.runs.attempts import Inference


class Stopwatch:
    """Adds up wall-clock seconds under names: `load`, `train`, `evaluate`, and `latency` if `inference` was measured."""

    def __init__(self) -> None:
        self.seconds = {"load": 0.0, "train": 0.0, "evaluate": 0.0}
        self.inference: Inference | None = None

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
