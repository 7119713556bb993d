"""The pretraining target of point clouds: the points of hidden groups, by Chamfer distance (Point-MAE, arXiv 2203.06604)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from m2pt.modalities.point.tokenizer import PointTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss(prediction_BMP: Tensor, values_BMP: Tensor) -> Tensor:
    """Mean squared Chamfer distance between predicted and true groups of K points, both ways (Point-MAE, equation 7)."""
    predicted = prediction_BMP.unflatten(-1, (-1, 3))
    true = values_BMP.unflatten(-1, (-1, 3))
    distance = (predicted.unsqueeze(-2) - true.unsqueeze(-3)).square().sum(-1)
    chamfer: Tensor = distance.amin(-1).mean() + distance.amin(-2).mean()
    return chamfer


def restore(prediction_BMP: Tensor, values_BMP: Tensor) -> Tensor:
    """Predicted groups are in the units of the cloud already."""
    del values_BMP
    return prediction_BMP


def draw(axes: "Axes", tokenizer: PointTokenizer, values_NP: Tensor, coordinates_N3: Tensor, hidden_N: Tensor | None) -> None:
    """Draw one cloud from its groups placed at their centres, seen from the side; hidden groups are left out."""
    del tokenizer
    groups = values_NP.unflatten(-1, (-1, 3)) + coordinates_N3[:, None]
    if hidden_N is not None:
        groups = groups[~hidden_N]
    points = groups.reshape(-1, 3)
    turned = points @ torch.tensor([[0.9, 0.2], [-0.4, 0.4], [0.0, 0.9]])
    axes.scatter(turned[:, 0].numpy(), turned[:, 1].numpy(), s=2, c=points[:, 1].numpy(), cmap="viridis")
    axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
