"""The pretraining target of images: the normalised pixels of hidden patches (MAE, arXiv 2111.06377)."""

from typing import TYPE_CHECKING

from torch import Tensor

from m2pt.modalities.shared.patches import normalised_patch_loss, restore
from m2pt.modalities.shared.tokenizer import GridTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "loss", "restore"]

loss = normalised_patch_loss


def draw(axes: "Axes", tokenizer: GridTokenizer, values_NP: Tensor, coordinates_N3: Tensor, hidden_N: Tensor | None) -> None:
    """Draw one image from its patches; hidden ones are left grey."""
    del coordinates_N3  # the grid determines the positions
    if hidden_N is not None:
        values_NP = values_NP.masked_fill(hidden_N[:, None], 0.0)
    image_CHW = tokenizer.grid.join(values_NP[None])[0, :, 0]
    axes.imshow(image_CHW.mean(0).numpy(), cmap="gray", vmin=-1, vmax=1)
