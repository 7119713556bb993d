"""Where timm's policies of augmentation (AutoAugment, RandAugment, AugMix) depend on the version of Pillow."""

from typing import Any

from PIL import Image, ImageOps
from timm.data.auto_augment import AugmentOp, AugMixAugment, AutoAugment, RandAugment


def mend_policy(policy: Any) -> None:
    """Let the operations of one of timm's policies work at every magnitude that they draw, in place; anything else stays.

    At the highest magnitude timm keeps 0 bits of a channel in "PosterizeIncreasing" ('rand-m9-mstd0.5-inc1' draws that in one of
    some 700 pictures). Pillow made a black picture of it when the published recipes ran, and refuses it today.
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
