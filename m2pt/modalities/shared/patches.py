"""Patches of signals on a grid (images, spectrograms, clips): cutting, joining, and the masked-autoencoder loss on them.

Shapes: B batch, C channels, T frames, H height, W width, N tokens, P values of one patch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Patches:
    """The content of each token, and its coordinates."""

    values_BNP: Tensor
    coordinates_BN3: Tensor


@dataclass(frozen=True)
class PatchGrid:
    """A signal of `channels` × `size` (T, H, W) cut into patches of `patch` (T, H, W); images have T = 1."""

    channels: int
    size: tuple[int, int, int]
    patch: tuple[int, int, int]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Number of patches along T, H and W."""
        (t, h, w), (pt, ph, pw) = self.size, self.patch
        return t // pt, h // ph, w // pw

    @property
    def num_values(self) -> int:
        """Number of values of one patch, P."""
        pt, ph, pw = self.patch
        return self.channels * pt * ph * pw

    def cut(self, x_BCTHW: Tensor) -> Patches:
        """Cut signals into patches, in order T, H, W."""
        batch, (nt, nh, nw), (pt, ph, pw) = len(x_BCTHW), self.counts, self.patch
        x = x_BCTHW.reshape(batch, self.channels, nt, pt, nh, ph, nw, pw)
        values = x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(batch, nt * nh * nw, self.num_values)
        return Patches(values, self.coordinates().to(x).expand(batch, -1, -1))

    def join(self, values_BNP: Tensor) -> Tensor:
        """The signals (B, C, T, H, W) that patches were cut from."""
        batch, (nt, nh, nw), (pt, ph, pw) = len(values_BNP), self.counts, self.patch
        x = values_BNP.reshape(batch, nt, nh, nw, self.channels, pt, ph, pw)
        return x.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(batch, self.channels, *self.size)

    def coordinates(self) -> Tensor:
        """Patch centres (N, 3) in [-1, 1], in order (x, y, t)."""
        axes = [(2 * torch.arange(count) + 1) / count - 1 for count in self.counts]
        t, y, x = torch.meshgrid(*axes, indexing="ij")
        return torch.stack([x, y, t], dim=-1).reshape(-1, 3)


def normalised_patch_loss(prediction_BMP: Tensor, values_BMP: Tensor) -> Tensor:
    """Mean squared error against each patch's normalised values (`norm_pix_loss` of MAE, arXiv 2111.06377, section 3)."""
    mean, std = _moments(values_BMP)
    return (prediction_BMP - (values_BMP - mean) / std).square().mean()


def restore(prediction_BMP: Tensor, values_BMP: Tensor) -> Tensor:
    """Predicted patches in the units of the signal, given the true patches' mean and deviation (only for pictures)."""
    mean, std = _moments(values_BMP)
    return prediction_BMP * std + mean


def _moments(values_BMP: Tensor) -> tuple[Tensor, Tensor]:
    return values_BMP.mean(-1, keepdim=True), (values_BMP.var(-1, keepdim=True) + 1e-4).sqrt()
