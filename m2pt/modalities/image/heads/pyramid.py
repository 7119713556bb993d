"""ViTDet's simple feature pyramid (arXiv 2203.16527, section 3): maps of several strides from the last map of a plain ViT."""

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

LEVELS = 4
"""Maps at 1/4, 1/2, 1 and 2 patches a cell; a further one at 4 patches, for proposals alone."""


class FeaturePyramid(nn.Module):
    """A map (B, D, H, W) to five, each (B, C, ...), the finest first."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.rescale = nn.ModuleList(
            [
                nn.Sequential(_double(width, half), map_norm(half), nn.GELU(), _double(half, quarter)),
                _double(width, half),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        )
        self.project = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(size, channels, 1, bias=False),
                    map_norm(channels),
                    nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                    map_norm(channels),
                )
                for size in (quarter, half, width, width)
            ]
        )

    def forward(self, map_BDHW: Tensor) -> list[Tensor]:
        """The maps; always float32, because what follows chooses by them."""
        levels = [project(rescale(map_BDHW)) for rescale, project in zip(self.rescale, self.project, strict=True)]
        levels.append(max_pool2d(levels[-1], kernel_size=1, stride=2))
        return [level.to(torch.float32) for level in levels]


def _double(width: int, channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width, channels, 2, stride=2)


def map_norm(channels: int) -> nn.Module:
    """Layer norm over the channels of each place of a map."""
    norm: nn.Module = LayerNorm2d(channels, eps=1e-6)
    return norm
