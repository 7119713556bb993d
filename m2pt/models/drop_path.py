"""Stochastic depth whose draws depend only on the run's seed and the row of the batch."""

import torch
from torch import Tensor, nn

from m2pt.layers import RowNoise


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
        """Scale or drop each sample's branch (B, N, D) in training."""
        if not self.training or self.factors is None:
            return x
        return x * self.factors.to(x.dtype)


def draw_paths(model: nn.Module, noise: RowNoise, device: torch.device) -> None:
    """Decide which samples of the next batch lose which branches."""
    for name, module in model.named_modules():
        if isinstance(module, DropPath):
            kept = noise.uniform(f"drop path {name}", 1, 1) >= module.rate
            module.factors = (kept / (1 - module.rate)).to(device)
