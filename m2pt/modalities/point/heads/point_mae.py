"""The heads of Point-MAE's fine-tuning (arXiv 2203.06604, section 4.2). Shapes: B batch, P points, D width, K classes."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2pt.config import ModelConfig
from m2pt.modalities.point.transforms.geometry import interpolate
from m2pt.modalities.shared.dense import DenseHead
from m2pt.modalities.shared.features import Features

HIDDEN = 256
DROPOUT = 0.5

LIFTED = 1024
"""Values for each point after feature propagation."""

CATEGORY = 64
"""Values into which the object category is turned."""


class ClassAndMaxHead(nn.Sequential):
    """Logits (B, K) from the class token and the maximum over the other tokens (B, 2 D): an MLP with batch norm and dropout.

    Layers start as torch makes them, as in the published code.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__(*_hidden(2 * width), *_hidden(HIDDEN), nn.Linear(HIDDEN, num_classes))


def _hidden(width: int) -> list[nn.Module]:
    return [nn.Linear(width, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)]


def part_taps(depth: int) -> tuple[int, ...]:
    """The blocks, from 0, at one third, two thirds and the end: 3, 7 and 11 of twelve."""
    return tuple(sorted({max(0, depth * third // 3 - 1) for third in (1, 2, 3)}))


class PartHead(DenseHead):
    """Logits (B, K, P) for the parts of all categories: Point-MAE's head for ShapeNetPart.

    The outputs of three blocks go from the centres of the groups to all points; with them go their maximum and mean over the
    cloud, and the object category that the data set gives. `coordinates_BN3` are the centres, and `x` (B, P, 3) are the points.
    """

    def __init__(self, config: ModelConfig, num_classes: int, num_categories: int) -> None:
        super().__init__()
        self.taps = part_taps(config.depth)
        self.num_categories = num_categories
        width = config.width * len(self.taps)
        self.category = nn.Sequential(
            nn.Conv1d(num_categories, CATEGORY, 1, bias=False), nn.BatchNorm1d(CATEGORY), nn.LeakyReLU(0.2)
        )
        self.lift = nn.Sequential(*_shared(3 + width, 4 * config.width), *_shared(4 * config.width, LIFTED))
        self.joint = nn.Conv1d(LIFTED + 2 * width + CATEGORY, 512, 1)
        self.joint_norm = nn.BatchNorm1d(512)
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Sequential(*_shared(512, 256), nn.Conv1d(256, num_classes, 1))

    def forward(self, features: Features, given: Tensor | None) -> Tensor:
        """Classify every point.

        Raises:
            ValueError: no object categories are given.

        """
        if given is None:
            raise ValueError("a part segmentation needs the object category of each cloud")
        tokens_BND = torch.cat([tap[:, features.num_prefix :] for tap in features.taps], dim=-1)
        spread_BPD = interpolate(tokens_BND, features.coordinates_BN3, features.x)
        lifted = self.lift(torch.cat([features.x, spread_BPD], dim=-1).transpose(1, 2))
        category = self.category(functional.one_hot(given, self.num_categories).to(tokens_BND.dtype).unsqueeze(-1))
        whole = torch.cat([tokens_BND.amax(dim=1), tokens_BND.mean(dim=1), category.squeeze(-1)], dim=-1)
        joint = functional.relu(self.joint_norm(self._join(lifted, whole)))
        logits: Tensor = self.out(self.dropout(joint))
        return logits

    def _join(self, lifted_BDP: Tensor, whole_BD: Tensor) -> Tensor:
        """The convolution `joint` of points and of what all points of a cloud share, without repeating the latter."""
        weight = self.joint.weight
        points = functional.conv1d(lifted_BDP, weight[:, :LIFTED], self.joint.bias)
        return points + functional.linear(whole_BD, weight[:, LIFTED:, 0]).unsqueeze(-1)


def _shared(width: int, out: int) -> list[nn.Module]:
    return [nn.Conv1d(width, out, 1), nn.BatchNorm1d(out), nn.ReLU()]
