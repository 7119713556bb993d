"""Random translation of signals on a grid, shared by images and clips."""

import torch
from torch import Tensor


def shift_grid(x_BCHW: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move each sample by up to `most` cells along H and W, filling with zeros."""
    batch, _, height, width = x_BCHW.shape
    offsets = torch.randint(0, 2 * most + 1, (2, batch, 1), generator=generator)
    padded = torch.nn.functional.pad(x_BCHW, (most, most, most, most))
    rows = (offsets[0] + torch.arange(height)).to(x_BCHW.device)
    columns = (offsets[1] + torch.arange(width)).to(x_BCHW.device)
    samples = torch.arange(batch, device=x_BCHW.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
