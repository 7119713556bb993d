"""The sections of images: the form in which they reach the tokenizer, and their augmentation on published data sets."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from m2pt.config.base import Form, Fraction, Goal, NonNegativeFloat, Positive, PositiveFloat, not_divisible
from m2pt.config.modalities.section import AugmentSection, Channels, InputSection, Wing


class ImageInput(InputSection):
    """Square pictures. The tokenizer sees `(x - mean) / std` of pixels in [0, 1]."""

    tokens_only: ClassVar[tuple[str, ...]] = ("patch",)
    axes: ClassVar[tuple[str, ...]] = ("rows", "columns")
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = {"stride": ("semantic_segmentation",)}

    size: Positive = 16
    """Pixels along each side."""
    channels: Literal[1, 3] = 1
    """Grey (1) or colour (3)."""
    patch: Positive = 4
    """Pixels along each side of a patch."""
    mean: Channels = (0.5,)
    """Subtracted from pixels in [0, 1]: one value, or one per channel."""
    std: Channels = (0.5,)
    """What pixels are divided by: one value, or one per channel."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from not_divisible(self, ("size", "patch"))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return self.channels, self.size, self.size

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return self.channels, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.size // self.patch, self.size // self.patch


class ImageAugment(AugmentSection):
    """Training-time changes of a picture: random resized crop, flip, RandAugment, erasing.

    Scenes with a label per pixel, and pictures with a mask for each object, are instead rescaled at random, cropped, flipped and
    distorted in colour.
    """

    kind: Literal["image"] = "image"
    """The modality."""
    crop_scale: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    """Smallest and largest area of the crop, as a share of the picture."""
    crop_draw: Literal["again", "once"] = "again"
    """A crop that does not fit into the picture is drawn again, or drawn once and cut at the edges."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    policy: str | None = None
    """RandAugment as timm's policy string, such as `rand-m9-mstd0.5-inc1`."""
    color_jitter: NonNegativeFloat = 0.0
    """Strength of the colour jitter; unused where there is a `policy`, which has its own."""
    erasing: Fraction = 0.0
    """Probability of random erasing."""
    scene_scale: tuple[PositiveFloat, PositiveFloat] | None = None
    """Smallest and largest random scale of a scene; only for semantic and instance segmentation."""

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """As `AugmentSection.unread`: scenes have an augmentation of their own."""
        del form
        if goal in ("semantic_segmentation", "instance_segmentation"):
            return dict.fromkeys(("crop_scale", "crop_draw", "policy", "erasing"), "scenes have an augmentation of their own")
        jitter = {} if self.policy is None else {"color_jitter": "policy replaces it"}
        return {"scene_scale": "it is only for scenes"} | jitter


WING = Wing(ImageInput, ImageAugment, "m2pt.modalities.image.spec:IMAGE")
