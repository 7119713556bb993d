"""Pictures into samples by timm's own transforms, as MAE (arXiv 2111.06377, appendix A) uses them. C channels, H height, W width.

Samples are pixels in [0, 1]; the tokenizer subtracts the mean and divides by the deviation of the input section. Random erasing
comes after that in MAE: the hole is filled with N(0, 1). So a training picture is normalised here, erased, and brought back by
`x · std + mean`: what the tokenizer sees is exactly what MAE's model sees, and in a hole `x` is outside [0, 1].
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torchvision.transforms import Compose, InterpolationMode, RandomResizedCrop  # type: ignore[import-untyped]

from m2pt.config import Goal, ImageAugment, ImageInput, UserError
from m2pt.modalities.image.decoding.pictures import coloured
from m2pt.modalities.shared.policies import mend_policy
from m2pt.modalities.shared.wanted import Wanted

USUAL_SIZE = 224
"""Up to this size the tested square is 224/256 of the shorter side (ImageNet's custom since AlexNet); beyond, all of it (MAE)."""

ASPECT_RATIO = (3 / 4, 4 / 3)

Transform = Callable[[Image.Image], Tensor]


def sections(wanted: Wanted, goals: Sequence[Goal], dataset: str) -> tuple[ImageInput, ImageAugment | None]:
    """The input and augmentation that a reader of images works with.

    Raises:
        UserError: they are those of another modality, or the data set does not serve the goal.

    """
    if wanted.goal not in goals:
        raise UserError(f"dataset {dataset!r} serves the goal {' or '.join(goals)}, not {wanted.goal}; correct the task's goal.")
    if not isinstance(wanted.input, ImageInput) or not isinstance(wanted.augment, ImageAugment | None):
        raise UserError(f"dataset {dataset!r} holds images; the task's recipe is one of another modality.")
    return wanted.input, wanted.augment


def constants(config: ImageInput) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel.

    Raises:
        UserError: their number is neither 1 nor that of the channels, or a deviation is not positive.

    """
    for key in ("mean", "std"):
        if len(getattr(config, key)) not in (1, config.channels):
            raise UserError(f"input.{key}: give one number, or one for each of the {config.channels} channels.")
    if min(config.std) <= 0:
        raise UserError("input.std: must be positive.")
    copies = (config.channels // len(config.mean), config.channels // len(config.std))
    return config.mean * copies[0], config.std * copies[1]


class CropDrawnOnce(RandomResizedCrop):  # type: ignore[misc]
    """A random resized crop whose box is drawn once and cut where it does not fit, instead of being drawn again.

    MAE's for linear probing, after BYOL (arXiv 2006.07733): its boxes are larger, a mean area of 0.52 instead of 0.43 on a
    picture of 500 x 375.
    """

    @staticmethod
    def get_params(img: Image.Image, scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the box."""
        width, height = img.size
        area = width * height * float(torch.empty(1).uniform_(*scale))
        aspect = math.exp(float(torch.empty(1).uniform_(math.log(ratio[0]), math.log(ratio[1]))))
        wide, high = min(round(math.sqrt(area * aspect)), width), min(round(math.sqrt(area / aspect)), height)
        top, left = (int(torch.randint(free + 1, ())) for free in (height - high, width - wide))
        return top, left, high, wide


class TrainTransform:
    """Random resized crop (bicubic), flip, RandAugment or colour jitter, erasing: (C, size, size) float32.

    All draws come from the global generators of Python, NumPy and torch (`m2pt.modalities.shared.items.seeded`). As in timm,
    colour jitter is left out where there is a RandAugment policy, which jitters colours itself.
    """

    def __init__(self, config: ImageInput, augment: ImageAugment) -> None:
        mean, std = constants(config)
        self.channels = config.channels
        self.mean, self.std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        try:
            self.transform: Transform = create_transform(
                (config.channels, config.size, config.size),
                is_training=True,
                scale=augment.crop_scale,
                hflip=augment.flip,
                color_jitter=augment.color_jitter,
                auto_augment=augment.policy,
                interpolation="bicubic",
                re_prob=augment.erasing,
                re_mode="pixel",
                mean=mean,
                std=std,
            )
        except (AssertionError, KeyError, ValueError, TypeError, IndexError) as error:
            message = f"augment.policy: timm cannot read {augment.policy!r}; an example is 'rand-m9-mstd0.5-inc1'."
            raise UserError(message) from error
        for step in cast(Compose, self.transform).transforms:
            mend_policy(step)
        if augment.crop_draw == "once":
            rest = cast(Compose, self.transform).transforms[1:]
            once = CropDrawnOnce(config.size, augment.crop_scale, ASPECT_RATIO, InterpolationMode.BICUBIC)
            self.transform = Compose([once, *rest])

    def __call__(self, picture: Image.Image) -> Tensor:
        """Augment one picture."""
        normalised_CHW = self.transform(coloured(picture, self.channels))
        return normalised_CHW * self.std + self.mean


class TestTransform:
    """Shorter side resized to `size` (up to 224 pixels: to `size` · 256 / 224; bicubic), centre cut out: (C, size, size) float32
    in [0, 1].
    """

    __test__ = False  # no test class, whatever pytest takes its name for

    def __init__(self, config: ImageInput) -> None:
        self.channels = config.channels
        self.transform: Transform = create_transform(
            (config.channels, config.size, config.size),
            is_training=False,
            crop_pct=USUAL_SIZE / 256 if config.size <= USUAL_SIZE else 1.0,
            interpolation="bicubic",
            mean=(0.0,) * config.channels,
            std=(1.0,) * config.channels,
        )

    def __call__(self, picture: Image.Image) -> Tensor:
        """Prepare one picture."""
        return self.transform(coloured(picture, self.channels))
