"""The sections of a study that belong to one modality, one file for each modality.

They hold the keys of a modality and the facts about it that a spec needs; the rest is in its wing, `m2pt.modalities`.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from m2pt.config.base import MODALITIES, Frozen, Modality
from m2pt.config.modalities.audio import AudioAugment, AudioInput
from m2pt.config.modalities.image import ImageAugment, ImageInput
from m2pt.config.modalities.point import PointAugment, PointInput
from m2pt.config.modalities.section import InputSection
from m2pt.config.modalities.video import VideoAugment, VideoInput


class InputsConfig(Frozen):
    """The form in which each modality reaches its tokenizer."""

    image: ImageInput = ImageInput()
    """Pictures."""
    audio: AudioInput = AudioInput()
    """Sounds."""
    point: PointInput = PointInput()
    """Clouds of points."""
    video: VideoInput = VideoInput()
    """Clips."""


SECTIONS: Mapping[Modality, type[InputSection]] = {name: type(getattr(InputsConfig(), name)) for name in MODALITIES}
"""The input section of each modality."""

InputConfig = ImageInput | AudioInput | PointInput | VideoInput
Augmentation = Annotated[ImageAugment | AudioAugment | PointAugment | VideoAugment, Field(discriminator="kind")]
