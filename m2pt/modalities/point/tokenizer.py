"""Point clouds to tokens: groups around farthest points, each embedded by a small PointNet (Point-MAE, arXiv 2203.06604).

Shapes: B batch, P points, N groups (tokens), K neighbours, D width.
"""

import torch
from torch import Tensor, nn

from m2pt.config import PointInput
from m2pt.layers import initialise
from m2pt.modalities.point.transforms.geometry import farthest_points, squared_distances
from m2pt.modalities.shared.patches import Patches
from m2pt.modalities.shared.tokenizer import PatchTokenizer

__all__ = ["PointTokenizer", "farthest_points", "nearest_neighbours"]


def nearest_neighbours(x_BP3: Tensor, centres_BN3: Tensor, count: int) -> Tensor:
    """Indices (B, N, count) of the points nearest to each centre, nearest first; ties are broken as `torch.topk` does.

    The results of the embedded study depend on that; `point.transforms.geometry` has the search with a rule for ties.
    """
    return squared_distances(centres_BN3, x_BP3).topk(count, dim=-1, largest=False, sorted=True).indices


class PointTokenizer(PatchTokenizer):
    """Clouds (B, P, 3) in the unit sphere; a patch is the K neighbours of a centre, relative to it: (B, N, K * 3)."""

    def __init__(self, config: PointInput, width: int) -> None:
        super().__init__()
        self.num_tokens = config.groups
        self.skip_origin = config.skip_origin
        self.num_values = config.neighbours * 3
        self.local = nn.Sequential(nn.Linear(3, width // 2), nn.ReLU(), nn.Linear(width // 2, width))
        self.joint = nn.Linear(width, width)
        initialise(self)

    def patchify(self, x: Tensor) -> Patches:
        """Group clouds around farthest points."""
        rows = torch.arange(len(x), device=x.device)
        centres_BN3 = x[rows[:, None], farthest_points(x, self.num_tokens, skip_origin=self.skip_origin)]
        neighbours = nearest_neighbours(x, centres_BN3, self.num_values // 3)
        groups = x[rows[:, None, None], neighbours] - centres_BN3.unsqueeze(2)
        return Patches(groups.flatten(2), centres_BN3)

    def forward(self, values_BNP: Tensor) -> Tensor:
        """Embed groups: each point is lifted by a shared MLP, and a group is the maximum over its points, projected."""
        points_BNK3 = values_BNP.unflatten(-1, (-1, 3)) * 4.0  # groups reach about a quarter of the sphere
        tokens: Tensor = self.joint(self.local(points_BNK3).amax(dim=2))
        return tokens
