"""A fix for timm's augmentation policies (AutoAugment, RandAugment, AugMix), which depend on the version of Pillow."""

from typing import Any

from PIL import Image, ImageOps
from timm.data.auto_augment import AugmentOp, AugMixAugment, AutoAugment, RandAugment


def mend_policy(policy: Any) -> None:
    """Make the operations of one of timm's policies work at every magnitude that they draw, in place; anything else is unchanged.

    At the highest magnitude, timm's "PosterizeIncreasing" keeps 0 bits of a channel ('rand-m9-mstd0.5-inc1' draws that for about
    one picture in 700). Pillow returned a black picture when the published recipes ran, and raises an error today.
    """
    for operation in _operations(policy):
        if operation.name.startswith("Posterize"):
            operation.aug_fn = posterize


def posterize(picture: Image.Image, bits: int, **_: Any) -> Image.Image:
    """Keep the `bits` highest bits of each channel, 0 (a black picture) to 8 (as it is)."""
    if bits >= 8:
        return picture
    return ImageOps.posterize(picture, bits) if bits > 0 else picture.point(lambda _: 0)


def _operations(policy: Any) -> list[AugmentOp]:
    if isinstance(policy, RandAugment | AugMixAugment):
        return list(policy.ops)
    return [operation for steps in policy.policy for operation in steps] if isinstance(policy, AutoAugment) else []
