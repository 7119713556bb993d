"""The four modalities by name: each has the same rooms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from m2pt.config import InputConfig, Modality, refuses_unknown
from m2pt.modalities.audio import augment as audio_augment
from m2pt.modalities.audio import reconstruct as audio_reconstruct
from m2pt.modalities.audio.published import PublishedAudioTokenizer
from m2pt.modalities.audio.tokenizer import AudioTokenizer
from m2pt.modalities.image import augment as image_augment
from m2pt.modalities.image import reconstruct as image_reconstruct
from m2pt.modalities.image.published import PublishedImageTokenizer
from m2pt.modalities.image.tokenizer import ImageTokenizer
from m2pt.modalities.point import augment as point_augment
from m2pt.modalities.point import reconstruct as point_reconstruct
from m2pt.modalities.point.published import PublishedPointTokenizer
from m2pt.modalities.point.tokenizer import PointTokenizer
from m2pt.modalities.shared.tokenizer import PatchTokenizer, Tokenizer
from m2pt.modalities.video import augment as video_augment
from m2pt.modalities.video import reconstruct as video_reconstruct
from m2pt.modalities.video.published import PublishedVideoTokenizer
from m2pt.modalities.video.tokenizer import VideoTokenizer


@dataclass(frozen=True)
class Rooms:
    """What training needs of a modality.

    `shared(config, width)` builds the tokenizer of this project's form, `published(config, width)` that of the family whose
    weights are loaded; `augment(x, generator)` changes a batch; `loss(prediction, values)` scores predicted
    patches; `restore` and `draw` make pictures of them.
    """

    shared: Callable[[Any, int], PatchTokenizer]
    published: Callable[[Any, int], Tokenizer]
    augment: Callable[[Tensor, torch.Generator], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    restore: Callable[[Tensor, Tensor], Tensor]
    draw: Callable[..., None]


def _rooms(
    shared: Callable[[Any, int], PatchTokenizer], published: Callable[[Any, int], Tokenizer], augment: Any, reconstruct: Any
) -> Rooms:
    return Rooms(shared, published, augment.augment, reconstruct.loss, reconstruct.restore, reconstruct.draw)


ROOMS: dict[Modality, Rooms] = {
    "image": _rooms(ImageTokenizer, PublishedImageTokenizer, image_augment, image_reconstruct),
    "audio": _rooms(AudioTokenizer, PublishedAudioTokenizer, audio_augment, audio_reconstruct),
    "point": _rooms(PointTokenizer, PublishedPointTokenizer, point_augment, point_reconstruct),
    "video": _rooms(VideoTokenizer, PublishedVideoTokenizer, video_augment, video_reconstruct),
}


@refuses_unknown
def build_tokenizer(modality: Modality, config: InputConfig, width: int) -> Tokenizer:
    """A fresh tokenizer in the form that the input section names, initialised from torch's global generator."""
    rooms = ROOMS[modality]
    return rooms.shared(config, width) if config.form == "shared" else rooms.published(config, width)
