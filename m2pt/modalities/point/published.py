"""Clouds to tokens as in Point-MAE (arXiv 2203.06604): groups through a small PointNet, positions before every block.

Shapes: B batch, P points, N groups (tokens), K neighbours, D width.
"""

import torch
from torch import Tensor, nn

from m2pt.config import Head, PointInput
from m2pt.modalities.point.transforms.geometry import farthest_points, nearest_neighbours
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.tokenizer import Tokenizer


class PublishedPointTokenizer(Tokenizer):
    """Clouds (B, P, 3); a group is the K points nearest to a centre, relative to it.

    `local` lifts each point of a group, `joint` sees it with the maximum over its group; `place` embeds a centre. Only the
    last layers follow the width of the encoder, as in Point-MAE at 384 and at 768. `class_token` and `class_position` are (D,).
    """

    norm_epsilon = 1e-5  # Point-MAE's norms are torch's, the other families' have 1e-6

    def __init__(self, config: PointInput, width: int) -> None:
        super().__init__()
        self.groups, self.neighbours, self.skip_origin = config.groups, config.neighbours, config.skip_origin
        self.num_prefix = 1
        self.local = _lift(3, 128, 256)
        self.joint = _lift(512, 512, width)
        self.place = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        self.class_token: nn.Parameter | None = nn.Parameter(torch.empty(width))
        self.class_position: nn.Parameter | None = nn.Parameter(torch.empty(width))
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Conv1d):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        for parameter in (self.class_token, self.class_position):
            nn.init.trunc_normal_(parameter, std=0.02)

    def adapt(self, head: Head) -> None:
        """For part segmentation Point-MAE has no class token."""
        if head == "part_segmentation":
            self.class_token = self.class_position = None
            self.num_prefix = 0

    def tokens(self, x: Tensor) -> Tokens:
        """Groups, with the class token in front; their positions are for every block."""
        rows = torch.arange(len(x), device=x.device)
        centres_BN3 = x[rows[:, None], farthest_points(x, self.groups, first=0, skip_origin=self.skip_origin)]
        neighbours = nearest_neighbours(x, centres_BN3, self.neighbours)
        values_BND = self.embed(x[rows[:, None, None], neighbours] - centres_BN3.unsqueeze(2))
        positions_BND = self.place(centres_BN3)
        if self.class_token is not None and self.class_position is not None:
            values_BND = torch.cat([self.class_token.expand(len(x), 1, -1).to(values_BND.dtype), values_BND], dim=1)
            positions_BND = torch.cat([self.class_position.expand(len(x), 1, -1).to(positions_BND.dtype), positions_BND], dim=1)
        return Tokens(values_BND, centres_BN3, self.num_prefix, every_block=positions_BND)

    def embed(self, groups_BNK3: Tensor) -> Tensor:
        """Groups of relative coordinates to tokens (B, N, D)."""
        batch, count = groups_BNK3.shape[:2]
        points = self.local(groups_BNK3.flatten(0, 1).transpose(1, 2))  # (B * N, 256, K)
        joined = torch.cat([points.amax(dim=2, keepdim=True).expand_as(points), points], dim=1)
        tokens: Tensor = self.joint(joined).amax(dim=2).view(batch, count, -1)
        return tokens


def _lift(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers shared by all points, with batch statistics between them."""
    return nn.Sequential(nn.Conv1d(inputs, hidden, 1), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Conv1d(hidden, outputs, 1))
