"""Random draws inside a model that do not depend on how a batch is spread over devices and steps of accumulation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from m2pt.identity import derived_seed


@dataclass(frozen=True)
class RowNoise:
    """Draws for the rows of a global batch of `total` samples, of which this process holds `rows` (a tensor of row numbers)."""

    seed: int
    total: int
    rows: Tensor

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Draws from [0, 1) of shape (rows, *shape) on the CPU; the same row gets the same numbers on every device."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, purpose))
        return torch.rand(self.total, *shape, generator=generator)[self.rows]

    def part(self, start: int, stop: int) -> "RowNoise":
        """The noise of some of this process's rows, for a step of gradient accumulation."""
        return RowNoise(self.seed, self.total, self.rows[start:stop])
