"""One split of a published data set, read from its files sample by sample.

Small data are decoded once and kept (`m2pt.data`); data that do not fit into memory are read here. Shape suffixes: N samples,
V views, K classes.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from m2pt.runs.identity import derived_seed

Item = dict[str, Tensor]
"""A sample, ready to be stacked into a batch.

`x` float32: what the model sees; for training (...), for testing (V, ...) with one or more views. `y`: int64 scalar
(classification), float32 (K,) of 0 and 1 (tagging), int64 of one label per point or pixel (segmentation; -1 for no label).
`given` int64 scalar, only if the model gets more than `x`: the object category in part segmentation.
"""


class Items(ABC):
    """One split: its list is known from the start, files are read when a sample is requested. Must be picklable.

    `labels` (N,) int64, or float32 (N, K) for tagging, are known without reading samples if the data set lists them (else None):
    held-out data and weighted sampling are drawn by them.
    """

    classes: tuple[str, ...]
    labels: Tensor | None

    @abstractmethod
    def __len__(self) -> int:
        """How many samples the split holds."""

    @abstractmethod
    def train(self, index: int, seed: int) -> Item:
        """Read and augment one sample; every draw depends only on `seed`. Raises `UserError` naming the file."""

    def copies(self, index: int, seed: int, numbers: Sequence[int]) -> list[Item]:
        """Differently augmented copies of one sample, by their numbers; copy 0 is that of `train`. Raises as `train`."""
        return [self.train(index, copy_seed(seed, number)) for number in numbers]

    @abstractmethod
    def test(self, index: int) -> Item:
        """Read one sample for testing, the same each time, its views as the first axis. Raises `UserError` naming the file."""

    def among(self, kept: Tensor) -> Self:
        """The same split, in which samples are only mixed with those in `kept`."""
        del kept
        return self

    def name(self, index: int) -> str:
        """The file (and the member of it, where it holds several) of one sample, for messages."""
        return str(self.file(index))

    @abstractmethod
    def file(self, index: int) -> Path:
        """The file that holds one sample, whether it exists or not."""


def copy_seed(seed: int, number: int) -> int:
    """The seed of a further augmentation of one sample; that of the first is the sample's own."""
    return derived_seed(seed, "copy", number) if number else seed


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Make every draw inside depend only on `seed`, also in libraries that use global generators (Python's, NumPy's, torch's).

    Yields a separate generator; afterwards the global ones are restored.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
