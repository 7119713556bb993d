"""Training-time augmentation of images: a random shift by up to an eighth of the size (padded crop)."""

import torch
from torch import Tensor

from m2pt.modalities.shared.shift import shift_grid


def augment(x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of images (B, C, H, W) in [0, 1]; every draw comes from `generator`."""
    return shift_grid(x_BCHW, max(1, x_BCHW.shape[-1] // 8), generator)
