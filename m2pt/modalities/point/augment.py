"""Training-time augmentation of point clouds: anisotropic scale 2/3 to 3/2, shift by up to 0.2 and a turn about the vertical.

Scale and shift are Point-MAE's (arXiv 2203.06604, section 4.2).
"""

import math

import torch
from torch import Tensor


def augment(x_BP3: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of clouds (B, P, 3); every draw comes from `generator`."""
    batch = len(x_BP3)
    angle = torch.rand(batch, generator=generator) * 2 * math.pi
    turn = torch.zeros(batch, 3, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 0, 1] = -angle.sin()
    turn[:, 1, 0] = angle.sin()
    turn[:, 2, 2] = 1.0
    scale = 2 / 3 + torch.rand(batch, 1, 3, generator=generator) * (3 / 2 - 2 / 3)
    shift = (torch.rand(batch, 1, 3, generator=generator) * 2 - 1) * 0.2
    return x_BP3 @ turn.to(x_BP3) * scale.to(x_BP3) + shift.to(x_BP3)
