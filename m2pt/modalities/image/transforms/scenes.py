"""Pictures with a class for every pixel: sizes, augmentation. Classes count from 0; -1 where there is none.

C channels, H height, W width.

The augmentation is that with which BEiT and MAE were fine-tuned on ADE20K (arXiv 2106.08254, appendix; 2111.06377, appendix A.4;
their mmsegmentation configurations).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torchvision.transforms.functional import adjust_hue  # type: ignore[import-untyped]

from m2pt.config import ImageAugment, ImageInput, UserError
from m2pt.modalities.image.decoding.pictures import coloured
from m2pt.modalities.image.transforms.pictures import constants

IGNORED = -1
LONGEST = 4
"""The longer side is at most so many times the wanted shorter one (2048 for 512)."""
CROPS = 10
LARGEST_SHARE = 0.75


def resized(picture: Image.Image, size: int, channels: int, longest: int | None = None) -> Tensor:
    """The picture (C, H, W) in [0, 1] with its shorter side at `size` pixels, unless the longer one would exceed `longest`
    (`LONGEST` · `size`): bilinear without smoothing before, from bytes to bytes, as OpenCV does it.
    """
    factor = min(size / min(picture.size), (longest or LONGEST * size) / max(picture.size))
    wide, high = (max(1, int(side * factor + 0.5)) for side in picture.size)
    values = torch.from_numpy(np.array(coloured(picture, channels), dtype=np.uint8)).float()
    x_CHW = values[None] if values.ndim == 2 else values.permute(2, 0, 1)
    if (high, wide) != tuple(x_CHW.shape[1:]):
        x_CHW = interpolate(x_CHW[None], size=(high, wide), mode="bilinear", align_corners=False)[0].add(0.5).floor()
    return (x_CHW / 255).contiguous()


def resized_labels(labels_HW: NDArray[np.int64], high: int, wide: int) -> Tensor:
    """Labels in the size of a resized picture: each from the place that a pixel begins at, as OpenCV takes the nearest."""
    rows, columns = (np.arange(count) * side // count for count, side in zip((high, wide), labels_HW.shape, strict=True))
    return torch.from_numpy(labels_HW[rows[:, None], columns])


class SceneAugment:
    """Random rescaling, crop, flip, photometric distortion and padding: x (C, size, size), y (size, size)."""

    def __init__(self, config: ImageInput, augment: ImageAugment) -> None:
        if augment.policy is not None or augment.erasing > 0:
            raise UserError("augment: policy and erasing are for pictures with one label, not for scenes; leave them out.")
        self.config = config
        self.augment = augment
        self.mean = torch.tensor(constants(config)[0]).view(-1, 1, 1)

    def __call__(self, picture: Image.Image, labels_HW: NDArray[np.int64], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment one scene; every draw comes from `generator`."""
        low, high = self.augment.scene_scale or (1.0, 1.0)
        size = self.config.size
        ratio = _uniform(generator, low, high)
        x_CHW = resized(picture, max(1, int(size * ratio)), self.config.channels, max(1, int(LONGEST * size * ratio)))
        y_HW = resized_labels(labels_HW, *x_CHW.shape[1:])
        top, left = choose_crop(y_HW, size, generator)
        x_CHW = x_CHW[:, top : top + size, left : left + size]
        y_HW = y_HW[top : top + size, left : left + size]
        if _uniform(generator, 0, 1) < self.augment.flip:
            x_CHW, y_HW = x_CHW.flip(-1), y_HW.flip(-1)
        x_CHW = distort(x_CHW, self.augment.color_jitter, generator)
        return self._padded(x_CHW.contiguous(), y_HW.contiguous())

    def _padded(self, x_CHW: Tensor, y_HW: Tensor) -> tuple[Tensor, Tensor]:
        """Fill up below and at the right, with what the tokenizer sees as 0 and with ignored pixels."""
        (high, wide), size = y_HW.shape, self.config.size
        if (high, wide) == (size, size):
            return x_CHW, y_HW
        x = self.mean.expand(-1, size, size).clone()
        x[:, :high, :wide] = x_CHW
        return x, pad(y_HW, (0, size - wide, 0, size - high), value=IGNORED)


def choose_crop(y_HW: Tensor, size: int, generator: torch.Generator) -> tuple[int, int]:
    """Top and left of a random square of `size` pixels (cut at the edges of a smaller picture).

    Of up to ten squares, the first with two classes or more of which none fills 75 % or more; else an eleventh.
    """
    rows, columns = (max(side - size, 0) + 1 for side in y_HW.shape)
    for _ in range(CROPS):
        top = int(torch.randint(rows, (), generator=generator))
        left = int(torch.randint(columns, (), generator=generator))
        seen = y_HW[top : top + size, left : left + size]
        counts = torch.bincount(seen[seen != IGNORED].flatten())
        if rows == columns == 1 or (int((counts > 0).sum()) > 1 and int(counts.max()) < LARGEST_SHARE * int(counts.sum())):
            return top, left
    return int(torch.randint(rows, (), generator=generator)), int(torch.randint(columns, (), generator=generator))


def distort(x_CHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """The photometric distortion of SSD (arXiv 1512.02325): each change comes with a chance of one half.

    At the published strength of 0.5: brightness ±32/255, contrast and saturation × 0.5 to 1.5, hue ±0.1 of the circle (±18 in
    OpenCV's 180); other strengths in proportion. Contrast comes before saturation and hue, or after, by a coin. Greyscale keeps
    to brightness and contrast.
    """
    if strength == 0:
        return x_CHW
    low, high = max(0.0, 1 - strength), 1 + strength
    shift = strength * 64 / 255
    if _coin(generator):
        x_CHW = (x_CHW + _uniform(generator, -shift, shift)).clamp(0, 1)
    contrast = _uniform(generator, low, high) if _coin(generator) else 1.0
    first = _coin(generator)
    if first:
        x_CHW = (x_CHW * contrast).clamp(0, 1)
    if len(x_CHW) == 3:
        if _coin(generator):
            value_HW = x_CHW.amax(dim=0)  # HSV: the value stays, the distances from it are scaled
            x_CHW = (value_HW - (value_HW - x_CHW) * _uniform(generator, low, high)).clamp(0, 1)
        if _coin(generator):
            turn = min(0.5, strength / 5)
            x_CHW = adjust_hue(x_CHW, _uniform(generator, -turn, turn))
    return x_CHW if first else (x_CHW * contrast).clamp(0, 1)


def _coin(generator: torch.Generator) -> bool:
    return _uniform(generator, 0, 1) < 0.5


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
