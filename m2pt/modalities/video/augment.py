"""Training-time augmentation of clips: one random shift by up to an eighth of the size for all frames of a clip.

Nothing is mirrored or reversed in time: a motion to the left is another class than one to the right.
"""

import torch
from torch import Tensor

from m2pt.modalities.shared.shift import shift_grid


def augment(x_BCTHW: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of clips (B, C, T, H, W) in [0, 1]; every draw comes from `generator`."""
    shifted = shift_grid(x_BCTHW.flatten(1, 2), max(1, x_BCTHW.shape[-1] // 8), generator)
    return shifted.view_as(x_BCTHW)
