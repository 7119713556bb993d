"""Training-time augmentation of filterbanks: SpecAugment's time and frequency masks (arXiv 1904.08779) and a change of level."""

import torch
from torch import Tensor

MASK_FRACTION = 0.15  # longest mask, as a fraction of the axis (AudioMAE: 192 of 1024 frames, 48 of 128 bins)
LEVEL = 1.0  # largest change of level, in natural-log units of energy


def augment(x_BCTF: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of log-mel filterbanks (B, 1, T, F); masked cells take the clip's mean; draws come from `generator`."""
    batch, _, frames, mels = x_BCTF.shape
    x = x_BCTF + ((torch.rand(batch, 1, 1, 1, generator=generator) * 2 - 1) * LEVEL).to(x_BCTF)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    for axis, size in ((2, frames), (3, mels)):
        start, stop = _mask(batch, size, generator)
        cells = torch.arange(size)
        masked = ((cells >= start) & (cells < stop)).to(x.device)
        shape = [batch, 1, 1, 1]
        shape[axis] = size
        x = torch.where(masked.view(shape), mean, x)
    return x


def _mask(batch: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    length = (torch.rand(batch, 1, generator=generator) * (MASK_FRACTION * size + 1)).long()
    start = (torch.rand(batch, 1, generator=generator) * (size - length + 1)).long()
    return start, start + length
