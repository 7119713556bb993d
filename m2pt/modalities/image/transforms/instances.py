"""Pictures with a mask for each object: large-scale jitter, and the form in which masks reach the model.

The augmentation is that of ViTDet (arXiv 2203.16527, appendix; Detectron2's `coco_loader_lsj`): flip, one random scale for both
sides, a random square, grey where it leaves the picture. C channels, S pixels along each side, G objects.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from m2pt.config import ImageAugment, ImageInput, UserError
from m2pt.modalities.image.decoding.pictures import coloured
from m2pt.modalities.image.transforms.pictures import constants
from m2pt.modalities.image.transforms.scenes import distort

GREY = 128 / 255
"""Of what lies beyond the picture in training; the test continues it with what the tokenizer sees as 0, as the release does."""

BITS = 8
NO_CHANGE = (1.0, 1.0)


class Shape(Protocol):
    """The outline of one object in its picture."""

    def mask(self, scale: tuple[float, float], shift: tuple[int, int], mirrored: int | None, side: int) -> NDArray[np.bool_]:
        """The mask (side, side) after changes in this order: mirrored at a width, scaled, moved (x before y)."""


class InstanceAugment:
    """Flip, scale, crop and padding of a picture with its objects; colours are distorted as a scene's."""

    def __init__(self, config: ImageInput, augment: ImageAugment) -> None:
        if augment.policy is not None or augment.erasing > 0:
            raise UserError("augment: policy and erasing are for pictures with one label, not for objects; leave them out.")
        self.config, self.augment = config, augment

    def __call__(
        self, picture: Image.Image, shapes: Sequence[Shape], labels: Sequence[int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augment one picture: x (C, S, S), and its objects as `packed`; every draw comes from `generator`."""
        side = self.config.size
        flip, draw, place = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        low, high = self.augment.scene_scale or NO_CHANGE
        mirrored = picture.width if flip < self.augment.flip else None
        if mirrored is not None:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        wide, high_ = fitted(picture.size, side * (low + (high - low) * draw))
        left, top = (round(max(length - side, 0) * place) for length in (wide, high_))
        x_CHW = scaled(picture, wide, high_, self.config.channels)[:, top : top + side, left : left + side]
        x_CHW = distort(x_CHW, self.augment.color_jitter, generator)
        x = torch.full((self.config.channels, side, side), GREY)
        x[:, : x_CHW.shape[1], : x_CHW.shape[2]] = x_CHW
        scale = (wide / picture.width, high_ / picture.height)
        masks = [shape.mask(scale, (-left, -top), mirrored, side) for shape in shapes]
        return x, packed(masks, labels, side)


def fitted(size: tuple[int, int], side: float) -> tuple[int, int]:
    """Width and height of a picture of `size` as large as a square of `side` pixels takes it."""
    factor = side / max(size)
    wide, high = (max(1, int(length * factor + 0.5)) for length in size)
    return wide, high


def whole(picture: Image.Image, config: ImageInput) -> tuple[Tensor, tuple[int, int]]:
    """The picture at the top left of a square: x (C, S, S), continued with the mean, and its width and height there."""
    wide, high = fitted(picture.size, config.size)
    x = torch.tensor(constants(config)[0]).view(-1, 1, 1).repeat(1, config.size, config.size)
    x[:, :high, :wide] = scaled(picture, wide, high, config.channels)
    return x, (wide, high)


def scaled(picture: Image.Image, wide: int, high: int, channels: int) -> Tensor:
    """The picture (C, H, W) in [0, 1] in another size, bilinear with smoothing, from bytes to bytes as Pillow does it."""
    resized = coloured(picture, channels).resize((wide, high), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(resized, dtype=np.uint8)).float() / 255
    return (values[None] if values.ndim == 2 else values.permute(2, 0, 1)).contiguous()


def packed(masks: Sequence[NDArray[np.bool_]], labels: Sequence[int], side: int) -> Tensor:
    """Objects as (G, 1 + S · ceil(S / 8)) uint8: class (counted from 1) and the bits of its mask; those without a pixel are gone.

    A row of zeros is no object, so that the objects of several pictures can be stacked.
    """
    rows = [np.concatenate([[label + 1], np.packbits(mask, axis=1).ravel()]) for mask, label in zip(masks, labels, strict=True)]
    kept = [row for row, mask in zip(rows, masks, strict=True) if mask.any()]
    length = 1 + side * math.ceil(side / BITS)
    return torch.from_numpy(np.stack(kept).astype(np.uint8)) if kept else torch.zeros((0, length), dtype=torch.uint8)


def unpacked(rows: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The classes (G,), counted from 1, and the masks (G, S, S) bool of one picture's objects, as `packed` made them."""
    rows = rows[rows[:, 0] > 0]
    bits = rows[:, 1:].unflatten(1, (side, -1))[..., None] >> torch.arange(
        BITS - 1, -1, -1, dtype=torch.uint8, device=rows.device
    )
    return rows[:, 0].long(), (bits & 1).bool().flatten(2)[:, :, :side]


def boxes_of(masks_GSS: Tensor) -> Tensor:
    """The smallest box around the pixels of each mask: (G, 4), left and top, right and bottom, as edges of pixels."""
    sides = []
    for axis in (1, 2):  # over rows: columns with pixels, and the other way round
        seen_GS = masks_GSS.any(dim=axis)
        length = seen_GS.shape[1]
        first = seen_GS.int().argmax(dim=1)
        last = length - seen_GS.flip(1).int().argmax(dim=1)
        sides.append((first, last))
    (left, right), (top, bottom) = sides
    return torch.stack([left, top, right, bottom], dim=1).float()
