"""Training-time augmentation of point clouds: a scale for each axis, a shift, and a turn about the vertical.

The form is Point-MAE's (arXiv 2203.06604, section 4.2: scale 2/3 to 3/2, shift 0.2); the ranges are narrower, since a few
hundred steps on a few hundred clouds do not make up for the harder task.
"""

import math

import torch
from torch import Tensor

SCALE = (0.85, 1.18)
SHIFT = 0.1  # of the unit sphere, along each axis


def augment(x_BP3: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of clouds (B, P, 3); every draw comes from `generator`."""
    batch = len(x_BP3)
    angle = torch.rand(batch, generator=generator) * 2 * math.pi
    turn = torch.zeros(batch, 3, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = angle.cos()
    turn[:, 0, 1] = -angle.sin()
    turn[:, 1, 0] = angle.sin()
    turn[:, 2, 2] = 1.0
    scale = SCALE[0] + torch.rand(batch, 1, 3, generator=generator) * (SCALE[1] - SCALE[0])
    shift = (torch.rand(batch, 1, 3, generator=generator) * 2 - 1) * SHIFT
    return x_BP3 @ turn.to(x_BP3) * scale.to(x_BP3) + shift.to(x_BP3)
