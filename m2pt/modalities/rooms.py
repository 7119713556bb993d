"""The four modalities by name: each has the same rooms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from m2pt.config import Modality
from m2pt.modalities.audio import augment as audio_augment
from m2pt.modalities.audio import reconstruct as audio_reconstruct
from m2pt.modalities.audio.tokenizer import AudioTokenizer
from m2pt.modalities.image import augment as image_augment
from m2pt.modalities.image import reconstruct as image_reconstruct
from m2pt.modalities.image.tokenizer import ImageTokenizer
from m2pt.modalities.point import augment as point_augment
from m2pt.modalities.point import reconstruct as point_reconstruct
from m2pt.modalities.point.tokenizer import PointTokenizer
from m2pt.modalities.tokenizer import Tokenizer
from m2pt.modalities.video import augment as video_augment
from m2pt.modalities.video import reconstruct as video_reconstruct
from m2pt.modalities.video.tokenizer import VideoTokenizer


@dataclass(frozen=True)
class Rooms:
    """What training needs of a modality.

    `tokenizer(config, width)` builds it; `augment(x, generator)` changes a batch; `loss(prediction, values)` scores predicted
    patches; `restore` and `draw` make pictures of them.
    """

    tokenizer: Callable[[Any, int], Tokenizer]
    augment: Callable[[Tensor, torch.Generator], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    restore: Callable[[Tensor, Tensor], Tensor]
    draw: Callable[..., None]


def _rooms(tokenizer: Callable[[Any, int], Tokenizer], augment: Any, reconstruct: Any) -> Rooms:
    return Rooms(tokenizer, augment.augment, reconstruct.loss, reconstruct.restore, reconstruct.draw)


ROOMS: dict[Modality, Rooms] = {
    "image": _rooms(ImageTokenizer, image_augment, image_reconstruct),
    "audio": _rooms(AudioTokenizer, audio_augment, audio_reconstruct),
    "point": _rooms(PointTokenizer, point_augment, point_reconstruct),
    "video": _rooms(VideoTokenizer, video_augment, video_reconstruct),
}
