"""The dilated re-parameterised convolution of UniRepLKNet, and how it becomes one large convolution.

Shapes: B batch, C channels, H height, W width, K the side of a kernel.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

BRANCHES: dict[int, tuple[tuple[int, int], ...]] = {
    7: ((5, 1), (3, 2), (3, 3)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    15: ((5, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    17: ((5, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
}
"""The kernel and the dilation of each branch beside a large kernel, as released."""


class DilatedConv(nn.Module):
    """A depthwise convolution with a large kernel, and beside it dilated ones with small kernels (arXiv 2311.15599, section 3.1).

    Each has batch norm, and the results are added up. Maps (B, C, H, W) in and out. A branch is named by its kernel and dilation
    (`k5r1`); the large one is `large`.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.large = depthwise(channels, kernel)
        self.large_norm = nn.BatchNorm2d(channels)
        self.branches = tuple((f"k{side}r{rate}", rate) for side, rate in BRANCHES[kernel])
        for (name, rate), (side, _) in zip(self.branches, BRANCHES[kernel], strict=True):
            self.add_module(name, depthwise(channels, side, rate))
            self.add_module(f"{name}_norm", nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        y: Tensor = self.large_norm(self.large(x))
        for name, _ in self.branches:
            y = y + self.get_submodule(f"{name}_norm")(self.get_submodule(name)(x))
        return y

    def as_one(self) -> tuple[Tensor, Tensor]:
        """The kernel (C, 1, K, K) and the bias (C,) of the one convolution that this equals in evaluation, as float64."""
        kernel, bias = with_norm(self.large, self.large_norm)
        for name, rate in self.branches:
            norm = cast(nn.BatchNorm2d, self.get_submodule(f"{name}_norm"))
            small, offset = with_norm(cast(nn.Conv2d, self.get_submodule(name)), norm)
            spread = spread_out(small, rate)
            margin = (kernel.shape[-1] - spread.shape[-1]) // 2
            kernel, bias = kernel + functional.pad(spread, [margin] * 4), bias + offset
        return kernel, bias


def depthwise(channels: int, kernel: int, dilation: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """A depthwise convolution that keeps the size of a map."""
    around = dilation * (kernel - 1) // 2
    return nn.Conv2d(channels, channels, kernel, padding=around, dilation=dilation, groups=channels, bias=bias)


def spread_out(kernel: Tensor, dilation: int) -> Tensor:
    """The kernel without dilation that equals a depthwise one (C, 1, k, k) with it: zeros between its entries."""
    channels, _, side, _ = kernel.shape
    spread = kernel.new_zeros(channels, 1, dilation * (side - 1) + 1, dilation * (side - 1) + 1)
    spread[..., ::dilation, ::dilation] = kernel
    return spread


def with_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The kernel and the bias of a convolution without bias, followed by batch norm in evaluation, as float64."""
    factor, offset = factor_of(norm)
    return conv.weight.double() * factor.view(-1, 1, 1, 1), offset


def factor_of(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Batch norm in evaluation is `x * factor + offset`, each (C,), as float64."""
    mean, variance = (norm.get_buffer(name).double() for name in ("running_mean", "running_var"))
    factor = norm.weight.double() * torch.rsqrt(variance + norm.eps)
    return factor, norm.bias.double() - mean * factor
