"""The declaration of the video modality."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import VideoInput
from m2pt.modalities.dataset import DatasetFolder
from m2pt.modalities.own.dataset import OwnFiles
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.spec import Embedded, ModalitySpec, Parts, Reconstruction
from m2pt.modalities.video import datasets
from m2pt.modalities.video.recipes import OWN_RECIPES, RECIPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from m2pt.modalities.shared.samples import Samples


def _parts() -> Parts:
    from m2pt.modalities.video.augment import augment
    from m2pt.modalities.video.maps import VideoMap
    from m2pt.modalities.video.published import PublishedVideoTokenizer
    from m2pt.modalities.video.reconstruct import draw, loss, restore
    from m2pt.modalities.video.tokenizer import VideoTokenizer

    return Parts(VideoTokenizer, PublishedVideoTokenizer, augment, Reconstruction(loss, restore, draw), embedding_map=VideoMap)


def _small(folder: Path, split: str, config: VideoInput) -> "Samples":
    from m2pt.modalities.video.small import read

    return read(folder, split, config)


def _small_file(path: Path, config: VideoInput) -> "NDArray[np.float32]":
    from m2pt.modalities.video.small import read_file

    return read_file(path, config)


def _file(path: Path, wanted: Wanted) -> "list[Tensor]":
    from m2pt.modalities.video.items import views_of

    return views_of(path, wanted)


def _lists(folder: Path, split: str, config: VideoInput) -> Listed:
    from m2pt.modalities.video.small import read_lists

    return read_lists(folder, split, config)


def _own() -> OwnFiles:
    from m2pt.modalities.video.own import OWN

    return OWN


def _embedded() -> Embedded:
    from m2pt.modalities.video.embedded import VERSION, write

    return Embedded(VERSION, write)


VIDEO = ModalitySpec(
    name="video",
    section=VideoInput,
    parts=_parts,
    recipes=RECIPES | OWN_RECIPES,
    small=_small,
    small_lists=_lists,
    small_file=_small_file,
    file=_file,
    datasets=DatasetFolder(datasets),
    own=_own,
    embedded=_embedded,
    rights="made from the handwritten digits of UCI (E. Alpaydin, C. Kaynak, 1998), which their authors license under CC BY 4.0",
    decoders=("av", "numpy", "pillow"),
    samples="Clips with values in [0, 1]",
    colour="#c0639a",
    first_input={"frames": 8, "size": 64},
)
