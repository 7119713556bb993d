"""How one global batch is spread over processes: which rows each of them takes, and how they exchange values.

If torchrun starts them, the processes of a job train one model together; otherwise there is one process, and nothing here has an
effect. Rows are dealt in pairs (first with last, second with second last, ... of a group or of the batch), because mixup mixes
each row with its mirror image: both are in one process, and a batch is mixed the same way on any number of processes.
"""

import functools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

_PATIENCE = timedelta(minutes=30)  # one process may decode data while the others wait


@dataclass(frozen=True)
class Share:
    """The rank of this process among the `world` processes that train one model."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def rows(self, total: int, group: int | None = None) -> Tensor:
        """The rows of a batch of `total` that this process takes, group by group of `group` rows (None: all are one group).

        A row comes with its mirror image in its group, mirrored among the group's rows here. If the number of groups is a
        multiple of the number of processes, each takes complete groups. The tensor is shared: do not write to it.
        """
        return _rows(self.rank, self.world, total, group)

    def every(self, total: int) -> range:
        """The samples of a split of `total` that this process evaluates."""
        return range(self.rank, total, self.world)

    def in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """One value for each sample of a split in its order, from those of the samples that each process evaluated (`every`)."""
        whole = parts[0].new_empty(sum(map(len, parts)))
        for rank, part in enumerate(parts):
            whole[rank :: self.world] = part
        return whole

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def any(self, *flags: bool) -> list[bool]:
        """Whether each of the flags is set in one process or another, so that all of them do the same."""
        if self.world == 1:
            return list(flags)
        # On the CPU, where it waits for nothing that a device still computes.
        counts = torch.tensor(flags, dtype=torch.int64)
        dist.all_reduce(counts)
        return [count > 0 for count in counts.tolist()]

    def collect(self, value: T) -> list[T]:
        """The values of all processes, by rank, on each of them."""
        if self.world == 1:
            return [value]
        gathered: list[T | None] = [None] * self.world
        dist.all_gather_object(gathered, value)
        return [item for item in gathered if item is not None]

    def wait(self) -> None:
        """Wait until all processes have reached this point."""
        if self.world > 1:
            dist.barrier()


@functools.lru_cache(maxsize=64)
def _rows(rank: int, world: int, total: int, group: int | None) -> Tensor:
    groups = torch.arange(total).split(group or max(total, 1))
    pairs = [(rows[: (len(rows) + 1) // 2], rows.flip(0)[: len(rows) // 2]) for rows in groups]
    count = sum(len(first) for first, _ in pairs)
    start, stop = count * rank // world, count * (rank + 1) // world
    mine = []
    for first, mirrored in pairs:
        part = slice(max(start, 0), max(stop, 0))
        mine += [first[part], mirrored[part].flip(0)]
        start, stop = start - len(first), stop - len(first)
    return torch.cat(mine)


def is_of_another(error: Exception) -> bool:
    """Whether an error says that another process of the job does not answer; what ended that one is the reason to tell.

    Gloo and NCCL raise it wherever processes exchange values, also within a backward pass. Gloo has no type for it, but names the
    place in its own source.
    """
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo/" in str(error))


def _follow(parent: int) -> None:
    """Exit when torchrun is gone: it starts its processes in separate sessions, which no signal to its group reaches."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def joined(device_type: str) -> Iterator[tuple[Share, int]]:
    """Join the processes that torchrun started; yields this one's share and the index of its device."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Share(), 0
        return
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    local = int(os.environ["LOCAL_RANK"])
    if device_type == "cuda":
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Share(dist.get_rank(), world), local
    finally:
        dist.destroy_process_group()
