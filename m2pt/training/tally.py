"""What the steps of a training measured, brought from the device without making the program wait for it."""

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from m2pt.training.finite import faulty

BEHIND = 8
"""The most measurements on their way from a CUDA device. A loss that is not finite ends the run at most so many parts of a batch
later, with its own step named, and before the next checkpoint."""


_SUMS = ("loss", "added", "beside", "correct")


@dataclass(frozen=True)
class Measured:
    """Sums over some rows of a step, which is counted from 0 over all epochs.

    `loss` is that of the task, `added` what the method adds to it, `beside` the loss with samples of the auxiliary's modality.
    """

    epoch: int
    step: int
    loss: float
    added: float
    beside: float
    correct: int
    faulty_inputs: bool


@dataclass(frozen=True)
class _Coming:
    epoch: int
    step: int
    values: Tensor
    arrived: torch.cuda.Event


class Tally:
    """Takes measurements on the device, gives them as numbers, in order. On the CPU each is there at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._coming: deque[_Coming] = deque()

    def add(self, place: tuple[int, int], inputs: Tensor | None = None, **values: Tensor) -> list[Measured]:
        """Take what the (epoch, step) at `place` measured, tensors of () by their names in `Measured`; gives what is due.

        `inputs` are the rows that the loss belongs to, to blame them if they are not finite.
        """
        if self._device.type != "cuda":
            numbers = [float(values[name]) if name in values else 0.0 for name in _SUMS]
            finite = all(math.isfinite(number) for number in numbers)
            return [_measured(*place, [*numbers, float(not finite and faulty(inputs))])]
        zero = torch.zeros((), dtype=torch.float64, device=self._device)
        row = [values.get(name, zero).detach().double() for name in _SUMS]
        row.append(zero if inputs is None else (~torch.isfinite(inputs)).any().double())
        on_host = torch.stack(row).to("cpu", non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        self._coming.append(_Coming(*place, on_host, arrived))
        return self.due(BEHIND)

    def due(self, behind: int = 0) -> list[Measured]:
        """All measurements but the last `behind`; waits for them."""
        arrived = []
        while len(self._coming) > behind:
            first = self._coming.popleft()
            first.arrived.synchronize()
            arrived.append(_measured(first.epoch, first.step, first.values.tolist()))
        return arrived


def _measured(epoch: int, step: int, numbers: list[float]) -> Measured:
    loss, added, beside, correct, blamed = numbers
    return Measured(epoch, step, loss, added, beside, int(correct), bool(blamed))
