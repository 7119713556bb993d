"""Stochastic depth whose draws depend only on the run's seed and the row of the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from m2pt.layers import RowNoise, moved


class DropPath(nn.Module):
    """Stochastic depth (arXiv 1603.09382): skips a branch for individual samples of a batch, with probability `rate`.

    Unlike timm's, it draws nothing itself. `draw_paths` decides for a batch, so that the same samples lose the same branches on
    any number of devices, and again when a block is recomputed for its gradient.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.factors: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Scale or drop each sample's branch (B, ...) in training."""
        if not self.training or self.factors is None:
            return x
        return x * self.factors.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)


def paths_of(model: nn.Module) -> tuple[tuple[str, DropPath], ...]:
    """Where a model has stochastic depth: the names, which belong to the draws, and the modules."""
    return tuple((name, module) for name, module in model.named_modules() if isinstance(module, DropPath))


def draw_paths(paths: Sequence[tuple[str, DropPath]], noise: RowNoise, device: torch.device) -> None:
    """Decide which samples of the next batch lose which branches; all decisions go to the device in one copy."""
    if not paths:
        return
    kept = [(noise.uniform(f"drop path {name}", 1, 1) >= module.rate) / (1 - module.rate) for name, module in paths]
    for (_, module), factors in zip(paths, moved(torch.stack(kept), device).unbind(), strict=True):
        module.factors = factors
