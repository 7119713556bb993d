"""UperNet (arXiv 1807.10221) on a plain ViT, as BEiT (arXiv 2106.08254) and MAE (arXiv 2111.06377) use it for ADE20K.

B batch, N tokens, D width, C channels of the head, K classes, H height, W width.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, relu

from m2pt.config import ImageInput, InputConfig, ModelConfig, UserError
from m2pt.modalities.shared.dense import DenseHead, Outputs
from m2pt.modalities.shared.features import Features

BINS = (1, 2, 3, 6)
DROPOUT = 0.1
SIDE_CHANNELS = 256
DEPTHS = (1 / 3, 1 / 2, 2 / 3, 1.0)
"""Blocks 3, 5, 7 and 11 of 12, or 7, 11, 15 and 23 of 24, counted from 0."""


class UperNetHead(DenseHead):
    """The outputs of four blocks at strides of 1/4, 1/2, 1 and 2 patches; pyramid pooling of the last, and a feature pyramid.

    Published, and so here: outputs of blocks without the encoder's final norm; as many channels as the encoder is wide (768 for
    ViT-B, in BEiT's and mmsegmentation's configurations); batch norm over the whole batch, which on several devices is
    `nn.SyncBatchNorm.convert_sync_batchnorm`; whole channels dropped before the last layer. Batch norm and dropout make training
    depend on how a batch is spread over devices and steps of accumulation. With `side_head`, a small fully convolutional head on
    the third of the four maps is trained with it (mmsegmentation's auxiliary head), and not used otherwise.
    """

    def __init__(self, config: ModelConfig, input_config: InputConfig, num_classes: int, *, side_head: bool = False) -> None:
        super().__init__()
        if not isinstance(input_config, ImageInput):
            raise UserError("head: 'upernet' labels the pixels of images; choose another for this modality.")
        width = channels = config.width
        blocks = [max(0, round(part * config.depth) - 1) for part in DEPTHS]
        self.taps = tuple(sorted(set(blocks)))
        self._levels = [self.taps.index(block) for block in blocks]  # fewer taps than levels where there are fewer blocks
        self.patch = input_config.patch
        self.rescale = nn.ModuleList(
            [
                nn.Sequential(_double(width), Norm(width), nn.GELU(), _double(width)),
                _double(width),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        )
        self.pooled = nn.ModuleList([nn.Sequential(AveragePool(bins), Unit(width, channels, 1)) for bins in BINS])
        self.top = Unit(width + len(BINS) * channels, channels, 3)
        self.lateral = nn.ModuleList([Unit(width, channels, 1) for _ in range(3)])
        self.smooth = nn.ModuleList([Unit(channels, channels, 3) for _ in range(3)])
        self.fuse = Unit(4 * channels, channels, 3)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.classify = _classifier(channels, num_classes)
        self.side: nn.Module | None = None
        if side_head:
            self.side = nn.Sequential(
                Unit(width, SIDE_CHANNELS, 3), nn.Dropout2d(DROPOUT), _classifier(SIDE_CHANNELS, num_classes)
            )

    def forward(self, features: Features, given: Tensor | None) -> Outputs:
        """Logits (B, K, H, W) in the size of the images; in training with those of the side head."""
        del given  # a scene has no category
        maps = [self._map(features, tap) for tap in features.taps]
        levels = [rescale(maps[level]) for rescale, level in zip(self.rescale, self._levels, strict=True)]
        pooled = [_fit(branch(levels[3]), levels[3]) for branch in self.pooled]
        pyramid = [self.top(torch.cat([levels[3], *pooled], dim=1))]
        for lateral, level in zip(reversed(self.lateral), reversed(levels[:3]), strict=True):
            pyramid.append(lateral(level) + _fit(pyramid[-1], level))
        fine = [smooth(level) for smooth, level in zip(self.smooth, reversed(pyramid[1:]), strict=True)]
        joined = torch.cat([_fit(level, fine[0]) for level in [*fine, pyramid[0]]], dim=1)
        logits = _fit(self.classify(self.dropout(self.fuse(joined))), features.x)
        return (logits, _fit(self.side(levels[2]), features.x)) if self.training and self.side is not None else logits

    def _map(self, features: Features, tap: Tensor) -> Tensor:
        """The tokens of a block as a picture (B, D, H / patch, W / patch)."""
        high, wide = (side // self.patch for side in features.x.shape[-2:])
        map_BDHW: Tensor = tap[:, features.num_prefix :].transpose(1, 2).unflatten(2, (high, wide))
        return map_BDHW


class AveragePool(nn.Module):
    """Adaptive average pooling to `bins` × `bins`, as two matrix products: on CUDA, torch's own has no deterministic gradient."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Pool."""
        high, wide = (self._weights(side).to(x_BCHW) for side in x_BCHW.shape[-2:])
        return high @ x_BCHW @ wide.T

    def _weights(self, side: int) -> Tensor:
        """(bins, side): the mean over a bin, from the floor of its start to the ceiling of its end."""
        index, cells = torch.arange(self.bins)[:, None], torch.arange(side)
        inside = (cells >= index * side // self.bins) & (cells < -(-(index + 1) * side // self.bins))
        return inside / inside.sum(dim=1, keepdim=True)


class Norm(nn.BatchNorm2d):
    """Batch norm that passes a batch of one 1 × 1 map, where there is nothing to take statistics of, by the running ones."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise."""
        if self.training and x_BCHW.numel() == x_BCHW.shape[1]:
            return batch_norm(x_BCHW, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps)
        return super().forward(x_BCHW)


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, width: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, channels, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")
        self.norm = Norm(channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply."""
        return relu(self.norm(self.convolution(x_BCHW)))


def _classifier(channels: int, num_classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_classes, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def _double(width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width, width, 2, stride=2)


def _fit(x_BCHW: Tensor, other: Tensor) -> Tensor:
    """Resized to the height and width of another map."""
    size: Sequence[int] = other.shape[-2:]
    if tuple(x_BCHW.shape[-2:]) == tuple(size):
        return x_BCHW
    return interpolate(x_BCHW, size=list(size), mode="bilinear", align_corners=False)
