"""Samples from files, read by processes of their own while the device computes."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from m2pt.config import UserError
from m2pt.modalities.shared.items import Item, Items
from m2pt.training.stopping import leave_to_parent

PATIENCE_S = 600.0
"""How long a batch may take: longer, and a reading process hangs, on a disk that does not answer or because it was frozen."""

Key = tuple[str, int, int | None, tuple[int, ...]]
"""A split, the index of a sample, the seed of its augmentation and the numbers of its copies; None as seed: read for testing."""


class ReadersLostError(Exception):
    """The processes that read files have died or hang. It is not the run's fault, so that another attempt may succeed."""


class Reading:
    """Reads batches of samples by their keys with so many `workers`, or in this process with none."""

    def __init__(self, splits: dict[str, Items], workers: int) -> None:
        self._wanted = _Batches()
        self._workers = workers
        self._readers: set[BaseProcess] = set()
        self._loader: DataLoader[Any] = DataLoader(
            _Files(splits),
            batch_sampler=self._wanted,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context="forkserver" if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=leave_to_parent if workers else None,
            timeout=PATIENCE_S if workers else 0,
        )

    def batches(self, wanted: list[list[Key]]) -> Iterator[Item]:
        """The batches of these samples. The reading processes are kept between calls, because starting them takes seconds.

        Raises:
            UserError: a file cannot be read.
            ReadersLostError: a reading process has died, or no batch has come for `PATIENCE_S`.

        """
        self._wanted.batches = wanted
        before = set(multiprocessing.active_children())
        read = iter(self._loader)
        self._readers |= set(multiprocessing.active_children()) - before
        for number in range(len(wanted)):
            try:
                item = next(read)
            except (RuntimeError, ConnectionError, EOFError) as error:
                if self._workers and (how := _loss(error)) is not None:
                    for reader in self._readers:  # a frozen one would hear nothing else, and outlive this process
                        reader.kill()
                    raise ReadersLostError(f"a process that reads files {how}, at batch {number + 1} of {len(wanted)}") from error
                raise
            if isinstance(item, _Fault):
                raise UserError(item.sentence)
            yield item


def _loss(error: Exception) -> str | None:
    """How a reading process was lost, None for another kind of error; one that has just died may only show as a closed pipe."""
    if "timed out" in str(error):
        return f"gave no batch for {PATIENCE_S:g} s"
    return "died" if not isinstance(error, RuntimeError) or "DataLoader worker" in str(error) else None


class _Batches:
    """The next batches to read, in the form that a `DataLoader` needs."""

    batches: list[list[Key]]

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)


class _Files(Dataset[Any]):
    """The samples of all splits of a run, by key."""

    def __init__(self, splits: dict[str, Items]) -> None:
        self._splits = splits

    def __getitem__(self, key: Key) -> "list[Item] | _Fault":
        split, index, seed, numbers = key
        items = self._splits[split]
        try:
            return [items.test(index)] if seed is None else items.copies(index, seed, numbers)
        except UserError as error:
            return _Fault(str(error))


@dataclass(frozen=True)
class _Fault:
    """A fault on its way out of a reading process; an exception would bury its sentence in a traceback of that process."""

    sentence: str


def _collate(samples: "list[list[Item] | _Fault]") -> "Item | _Fault":
    """The copies of all samples as one batch, or the first fault."""
    items: list[Item] = []
    for copies in samples:
        if isinstance(copies, _Fault):
            return copies
        items += copies
    return {name: _stacked([item[name] for item in items]) for name in items[0]}


def _stacked(parts: list[Tensor]) -> Tensor:
    """Samples as a batch. If they differ in the number of their rows (the objects of a picture), the others are zeros."""
    return torch.stack(parts) if len({part.shape for part in parts}) == 1 else pad_sequence(parts, batch_first=True)
