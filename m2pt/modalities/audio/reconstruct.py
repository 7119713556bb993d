"""The pretraining target of filterbanks: the normalised cells of hidden patches (AudioMAE, arXiv 2207.06405)."""

from typing import TYPE_CHECKING

from torch import Tensor

from m2pt.modalities.shared.patches import normalised_patch_loss, restore
from m2pt.modalities.shared.tokenizer import GridTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "loss", "restore"]

loss = normalised_patch_loss


def draw(axes: "Axes", tokenizer: GridTokenizer, values_NP: Tensor, coordinates_N3: Tensor, hidden_N: Tensor | None) -> None:
    """Draw one filterbank from its patches, time to the right, frequency up; hidden ones are left blank."""
    low, high = float(values_NP.min()), float(values_NP.max())
    del coordinates_N3  # the grid determines the positions
    if hidden_N is not None:
        values_NP = values_NP.masked_fill(hidden_N[:, None], float("nan"))
    bank_TF = tokenizer.grid.join(values_NP[None])[0, 0, 0]
    axes.imshow(bank_TF.T.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
