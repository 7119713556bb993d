"""Training-time augmentation of small data: another level and a shift in time. Shapes: B batch, C channels, L steps."""

import torch
from torch import Tensor


def augment(x_BCL: Tensor, generator: torch.Generator) -> Tensor:
    """Augment a batch of series (B, C, L); every draw comes from `generator`."""
    batch, _, length = x_BCL.shape
    factor_B = (0.1 * torch.randn(batch, generator=generator)).exp()
    most = max(1, length // 16)
    shift_B = torch.randint(-most, most + 1, (batch,), generator=generator)
    places_BL = (torch.arange(length)[None] - shift_B[:, None]).clamp(0, length - 1).to(x_BCL.device)
    shifted_BCL = x_BCL.gather(2, places_BL[:, None].expand_as(x_BCL))
    return shifted_BCL * factor_B.to(x_BCL)[:, None, None]
