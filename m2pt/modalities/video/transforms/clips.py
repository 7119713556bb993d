"""From the frames of a video to what a model sees: training augmentation and test views, as VideoMAE publishes them.

VideoMAE (arXiv 2203.12602, appendix, and its released code) takes them from SlowFast: RandAugment on whole frames (bicubic), one
random resized crop for all frames (bilinear), a flip, one erased box through all frames. Test views: shorter side resized to the
model's size (bilinear), crops along the longer side. Shape suffixes: C channels, T frames, H height, W width, S the model's size.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.transforms import RandomResizedCropAndInterpolation
from torch import Tensor

from m2pt.config import UserError, VideoAugment, VideoInput
from m2pt.modalities.shared.items import seeded
from m2pt.modalities.shared.policies import mend_policy
from m2pt.modalities.video.decoding.videos import Frame

ASPECT_RATIO = (0.75, 1.3333)
ERASED_AREA = (0.02, 1 / 3)  # of the frame
ERASED_ASPECT_RATIO = (0.3, 1 / 0.3)
GREY = 128  # what RandAugment puts where it moves a picture away

_draw_box: Callable[[Tensor, tuple[float, float], tuple[float, float]], tuple[int, int, int, int]] = (
    RandomResizedCropAndInterpolation.get_params
)


class ClipAugment:
    """The training-time changes of a clip that a recipe asks for, the same for all its frames.

    Raises:
        UserError: the RandAugment policy is none that timm knows.

    """

    def __init__(self, augment: VideoAugment, config: VideoInput) -> None:
        self._augment, self._config = augment, config
        self._policy = _policy(augment.policy, config.channels) if augment.policy is not None else None

    def __call__(self, frames: Sequence[Frame], generator: torch.Generator) -> Tensor:
        """Frames of one size to (C, T, S, S) in [0, 1] (noise in an erased box can exceed that), drawn from `generator`."""
        seeds = torch.randint(2**31, (2,), generator=generator).tolist()
        if self._policy is not None:
            frames = [_redrawn(self._policy, frame, seeds[0]) for frame in frames]
        clip_CTHW = to_clip(frames)
        with seeded(seeds[1]):
            top, left, height, width = _draw_box(clip_CTHW, self._augment.crop_scale, ASPECT_RATIO)
        clip_CTSS = _resize(clip_CTHW[:, :, top : top + height, left : left + width], self._config.size, self._config.size)
        if torch.rand((), generator=generator) < self._augment.flip:
            clip_CTSS = clip_CTSS.flip(-1)
        if torch.rand((), generator=generator) < self._augment.erasing:
            clip_CTSS = erase(clip_CTSS, self._config, generator)
        return clip_CTSS.contiguous()


def _policy(policy: str, channels: int) -> Callable[[Image.Image], Image.Image]:
    fill = GREY if channels == 1 else (GREY,) * 3
    try:
        transform: Callable[[Image.Image], Image.Image] = rand_augment_transform(
            policy, {"interpolation": Image.Resampling.BICUBIC, "img_mean": fill}
        )
    except (AssertionError, ValueError, KeyError) as error:
        raise UserError(
            f"finetune.augment.policy: {policy!r} is not a RandAugment policy; write one like 'rand-m7-n4-mstd0.5-inc1' (timm)."
        ) from error
    mend_policy(transform)
    return transform


def _redrawn(policy: Callable[[Image.Image], Image.Image], frame: Frame, seed: int) -> Frame:
    """A frame changed by the policy with the draws of `seed`, which are the same for every frame of a clip."""
    with seeded(seed):
        return np.asarray(policy(Image.fromarray(frame)))


def erase(clip_CTSS: Tensor, config: VideoInput, generator: torch.Generator) -> Tensor:
    """The clip with one box through all frames filled with noise.

    The noise is normal where the tokenizer sees it, i.e. after its normalisation with the config's `mean` and `std`.
    """
    frames, height, width = clip_CTSS.shape[1:]
    for _ in range(100):
        area = _uniform(*ERASED_AREA, generator) * height * width
        ratio = math.exp(_uniform(math.log(ERASED_ASPECT_RATIO[0]), math.log(ERASED_ASPECT_RATIO[1]), generator))
        high, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if high < height and wide < width:
            break
    else:
        return clip_CTSS
    top = int(torch.randint(height - high + 1, (), generator=generator))
    left = int(torch.randint(width - wide + 1, (), generator=generator))
    noise = torch.randn(config.channels, frames, high, wide, generator=generator)
    mean, std = (torch.tensor(constants).view(-1, 1, 1, 1) for constants in (config.mean, config.std))
    erased = clip_CTSS.clone()
    erased[:, :, top : top + high, left : left + wide] = noise * std + mean
    return erased


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def to_clip(frames: Sequence[Frame]) -> Tensor:
    """Frames of one size as (C, T, H, W) float32 in [0, 1]."""
    pixels = torch.from_numpy(np.stack([frame[..., None] if frame.ndim == 2 else frame for frame in frames]))
    return pixels.permute(3, 0, 1, 2).float() / 255


def resize_short(clip_CTHW: Tensor, size: int) -> Tensor:
    """The clip with its shorter side resized to `size` pixels (bilinear) and its longer side in proportion, rounded down.

    Values stay those of bytes, as the published code resizes the decoded pictures themselves.
    """
    height, width = clip_CTHW.shape[-2:]
    short = min(height, width)
    return (_resize(clip_CTHW, size * height // short, size * width // short) * 255 + 0.5).floor() / 255


def _resize(clip_CTHW: Tensor, height: int, width: int) -> Tensor:
    if clip_CTHW.shape[-2:] == (height, width):
        return clip_CTHW
    frames_TCHW = clip_CTHW.transpose(0, 1)
    resized_TCHW = torch.nn.functional.interpolate(frames_TCHW, (height, width), mode="bilinear", align_corners=False)
    return resized_TCHW.transpose(0, 1)


def crops_along(clip_CTHW: Tensor, size: int, crops: int) -> list[Tensor]:
    """`crops` squares (C, T, S, S) along the longer side of a clip whose shorter side is `size`, from the first end to the other.

    A single one is cut out of the middle.
    """
    height, width = clip_CTHW.shape[-2:]
    free = max(height, width) - size
    starts = [round(free / 2)] if crops == 1 else [int(crop * free / (crops - 1)) for crop in range(crops)]
    axis = -2 if height >= width else -1
    return [clip_CTHW.narrow(axis, start, size) for start in starts]
