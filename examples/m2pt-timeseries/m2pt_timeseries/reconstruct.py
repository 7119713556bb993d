"""The pretraining target of series: the normalised values of hidden patches, as for pictures (MAE, arXiv 2111.06377)."""

from typing import TYPE_CHECKING

from torch import Tensor

from m2pt.modalities.shared.patches import normalised_patch_loss, restore
from m2pt.modalities.shared.tokenizer import GridTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "loss", "restore"]

loss = normalised_patch_loss


def draw(axes: "Axes", tokenizer: GridTokenizer, values_NP: Tensor, coordinates_N3: Tensor, hidden_N: Tensor | None) -> None:
    """Draw one series from its patches, a line for each channel; hidden ones are left blank."""
    del coordinates_N3  # the grid determines the positions
    low, high = float(values_NP.min()), float(values_NP.max())
    if hidden_N is not None:
        values_NP = values_NP.masked_fill(hidden_N[:, None], float("nan"))
    for channel_L in tokenizer.grid.join(values_NP[None])[0, :, 0, 0]:
        axes.plot(channel_L.numpy(), linewidth=0.8)
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
