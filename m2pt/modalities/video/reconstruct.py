"""The pretraining target of clips: the normalised pixels of hidden tubelets (VideoMAE, arXiv 2203.12602)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from m2pt.modalities.shared.patches import normalised_patch_loss, restore
from m2pt.modalities.shared.tokenizer import GridTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "loss", "restore"]

loss = normalised_patch_loss


def draw(axes: "Axes", tokenizer: GridTokenizer, values_NP: Tensor, coordinates_N3: Tensor, hidden_N: Tensor | None) -> None:
    """Draw four frames of one clip, row by row, from its tubelets; hidden ones are left grey."""
    del coordinates_N3  # the grid determines the positions
    if hidden_N is not None:
        values_NP = values_NP.masked_fill(hidden_N[:, None], 0.0)
    clip_THW = tokenizer.grid.join(values_NP[None])[0].mean(0)
    chosen = torch.linspace(0, len(clip_THW) - 1, 4).round().long()
    first, second, third, fourth = (torch.nn.functional.pad(frame, (0, 1, 0, 1), value=1.0) for frame in clip_THW[chosen])
    frames = torch.cat([torch.cat([first, second], dim=1), torch.cat([third, fourth], dim=1)])
    axes.imshow(frames.numpy(), cmap="gray", vmin=-1, vmax=1)
