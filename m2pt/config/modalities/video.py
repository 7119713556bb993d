"""The sections of videos: the form in which they reach the tokenizer, and their augmentation on published data sets."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, get_args

from m2pt.config.base import Fraction, Goal, Positive, PositiveFloat, not_divisible
from m2pt.config.modalities.section import AugmentSection, Channels, InputSection, Wing


class VideoInput(InputSection):
    """Clips of square frames, cut into tubelets of `tubelet` × `patch` × `patch`."""

    class_token: ClassVar[bool] = False
    tokens_only: ClassVar[tuple[str, ...]] = ("tubelet", "patch")
    axes: ClassVar[tuple[str, ...]] = ("frames", "rows", "columns")
    views: ClassVar[Mapping[str, tuple[Goal, ...]]] = dict.fromkeys(("clips", "crops"), get_args(Goal))
    unread_of_small_data: ClassVar[Mapping[str, str]] = {"stride": "clips of small data are spread over the whole video"}

    frames: Positive = 8
    """Frames of a clip."""
    stride: Positive | None = None
    """Frames of the video from one frame of the clip to the next; without the key the clip is spread over the whole video."""
    size: Positive = 16
    """Pixels along each side of a frame."""
    channels: Literal[1, 3] = 1
    """Grey (1) or colour (3)."""
    tubelet: Positive = 2
    """Frames of a tubelet."""
    patch: Positive = 8
    """Pixels along each side of a tubelet."""
    mean: Channels = (0.5,)
    """Subtracted from pixels in [0, 1]: one value, or one per channel."""
    std: Channels = (0.5,)
    """What pixels are divided by: one value, or one per channel."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from not_divisible(self, ("frames", "tubelet"), ("size", "patch"))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Channels, frames, height, width."""
        return self.channels, self.frames, self.size, self.size

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Channels, time, height, width."""
        return self.channels, self.tubelet, self.patch, self.patch

    @property
    def counts(self) -> tuple[int, ...]:
        """Tubelets along time, height and width."""
        side = self.size // self.patch
        return self.frames // self.tubelet, side, side


class VideoAugment(AugmentSection):
    """Training-time changes of a clip, the same for all its frames: crop, flip, RandAugment, erasing."""

    kind: Literal["video"] = "video"
    """The modality."""
    crop_scale: tuple[PositiveFloat, PositiveFloat] = (0.08, 1.0)
    """Smallest and largest area of the crop, as a share of the frame."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    policy: str | None = None
    """RandAugment as timm's policy string, such as `rand-m7-n4-mstd0.5-inc1`."""
    erasing: Fraction = 0.0
    """Probability of random erasing."""


WING = Wing(VideoInput, VideoAugment, "m2pt.modalities.video.spec:VIDEO")
