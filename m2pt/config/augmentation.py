"""Training-time augmentation on published data sets, by modality."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import Form, Fraction, Frozen, Goal, NonNegative, NonNegativeFloat, Positive, PositiveFloat


class AugmentSection(Frozen):
    """What the augmentations of all modalities have."""

    @property
    def mixes(self) -> bool:
        """Whether a sample is mixed with another one while it is read."""
        return False

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """The keys that a run of a goal and form of input does not read, with the reason for each."""
        del goal, form
        return {}


class ImageAugment(AugmentSection):
    """Training-time changes of a picture: random resized crop, flip, RandAugment, erasing.

    Scenes with a label per pixel are instead rescaled at random, cropped, flipped and distorted in colour.
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
    """Smallest and largest random scale of a scene; only for semantic segmentation."""

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """As `AugmentSection.unread`: scenes have an augmentation of their own."""
        del form
        if goal == "semantic_segmentation":
            return dict.fromkeys(("crop_scale", "crop_draw", "policy", "erasing"), "scenes are not changed so")
        jitter = {} if self.policy is None else {"color_jitter": "policy stands in for it"}
        return {"scene_scale": "it is for scenes"} | jitter


class AudioAugment(AugmentSection):
    """Training-time changes of a sound: of the waveform, then of the filterbank (SpecAugment), then dropped patches."""

    kind: Literal["audio"] = "audio"
    """The modality."""
    mixup: Fraction = 0.0
    """Probability that a waveform is mixed with another one of the split."""
    roll: bool = False
    """Start the sound at a random place, with its beginning after its end."""
    level: bool = False
    """Multiply the waveform by a factor between 0.5 and 1.5."""
    noise: bool = False
    """Add noise to the filterbank."""
    frequency_mask: NonNegative = 0
    """Upper limit of the masked band, in bins; 0 masks nothing."""
    time_mask: NonNegative = 0
    """Upper limit of the masked stretch, in frames; 0 masks nothing."""
    drop_time: Fraction = 0.0
    """Share of the patches' time columns that are left out."""
    drop_frequency: Fraction = 0.0
    """Share of the patches' frequency rows that are left out."""

    @property
    def mixes(self) -> bool:
        """Whether waveforms are mixed."""
        return self.mixup > 0

    def unread(self, goal: Goal, form: Form) -> Mapping[str, str]:
        """As `AugmentSection.unread`: only the published tokenizer leaves out patches."""
        del goal
        keys = ("drop_time", "drop_frequency") if form == "shared" else ()
        return dict.fromkeys(keys, "patches are left out in the published form alone")


class PointAugment(AugmentSection):
    """Training-time changes of a cloud: sampling, scale, shift, turn."""

    kind: Literal["point"] = "point"
    """The modality."""
    sample_from: Positive | None = None
    """Thin the cloud to this number of farthest points, then keep `points` of them at random; only for classification."""
    scale: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    """Smallest and largest random scale: one per axis in classification, one for all axes in part segmentation."""
    shift: NonNegativeFloat = 0.0
    """Largest random shift along each axis."""
    turn: bool = False
    """Turn the cloud by a random angle about the vertical."""


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


Augmentation = Annotated[ImageAugment | AudioAugment | PointAugment | VideoAugment, Field(discriminator="kind")]
