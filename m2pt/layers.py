"""Parts shared by encoder, tokenizers and heads: initialisation, layer norm, position codes, device-independent noise.

Shapes: N positions, D width.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from m2pt.runs.identity import derived_seed

__all__ = ["LayerNorm", "RowNoise", "fourier_positions", "grid_sincos", "initialise", "moved", "sinusoids"]


class LayerNorm(nn.LayerNorm):
    """Layer norm with the epsilon of ViT (1e-6), as timm's: torch's own has 1e-5."""

    def __init__(
        self, width: int, eps: float = 1e-6, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__(width, eps=eps, device=device, dtype=dtype)


@dataclass(frozen=True)
class RowNoise:
    """Random draws for a global batch of `total` samples; `rows` is a tensor with the row numbers that this process holds.

    The draws follow from `seed` or, if a `purpose` is given, from what `derived_seed` makes of both once a draw is wanted.
    """

    seed: int
    total: int
    rows: Tensor
    purpose: tuple[str | int, ...] = ()

    @cached_property
    def _seed(self) -> int:
        return derived_seed(self.seed, *self.purpose) if self.purpose else self.seed

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Draws from [0, 1) of shape (rows, *shape) on the CPU; the same row gets the same numbers on every device."""
        generator = torch.Generator().manual_seed(derived_seed(self._seed, purpose))
        return torch.rand(self.total, *shape, generator=generator)[self.rows]

    def part(self, start: int, stop: int) -> "RowNoise":
        """The noise of some of this process's rows, for a step of gradient accumulation."""
        return replace(self, rows=self.rows[start:stop])


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on `device`. From pinned memory the program does not wait for the copy, from other memory it does."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def initialise(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases in every linear layer of a module, from torch's global generator."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def fourier_positions(coordinates: Tensor, width: int) -> Tensor:
    """The fixed position code shared by all modalities: coordinates (..., 3) in [-1, 1] to codes (..., width).

    Sines and cosines of each coordinate at wavelengths from 4 down to 1/2, zero-padded to the width. The code is fixed because
    learned positions that start at random cost up to 21 points of accuracy on a few hundred labels.
    """
    count = width // 6
    frequencies = math.pi * 2.0 ** torch.linspace(-1, 2, count, device=coordinates.device)
    angles = coordinates[..., None] * frequencies
    code = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return nn.functional.pad(code, (0, width - code.shape[-1]))


def grid_sincos(rows: int, columns: int, width: int) -> Tensor:
    """MAE's 2-D position code of a grid, row by row: (rows * columns, D) float32.

    The first half of the width encodes the column, the second the row, each as sines followed by cosines at frequencies from 1
    down to 1/10000 (arXiv 2111.06377, appendix A.1); AudioMAE's is the same with time as rows and frequency as columns. If the
    width is not a multiple of four, the rest is zero.
    """
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    count = width // 4
    frequencies = 10000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
    angles = [axis.flatten().double()[:, None] * frequencies for axis in (column, row)]
    code = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    return torch.nn.functional.pad(code, (0, width - code.shape[1])).float()


def sinusoids(count: int, width: int) -> Tensor:
    """The position code that VideoMAE takes from language models (arXiv 1706.03762, section 3.5): (count, D) float32.

    Sines in the even columns, cosines in the odd ones.
    """
    pair = torch.arange(width) // 2
    angles = torch.arange(count, dtype=torch.float64)[:, None] / 10000.0 ** (2 * pair.double() / width)
    even = torch.arange(width) % 2 == 0
    return torch.where(even, angles.sin(), angles.cos()).float()
