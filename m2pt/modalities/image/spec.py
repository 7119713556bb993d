"""The declaration of the image modality."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import ImageInput
from m2pt.modalities.dataset import DatasetFolder
from m2pt.modalities.image import datasets
from m2pt.modalities.image.recipes import OWN_RECIPES, RECIPES
from m2pt.modalities.own.dataset import OwnFiles
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.spec import Embedded, ModalitySpec, Parts, Reconstruction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from m2pt.modalities.shared.samples import Samples


def _parts() -> Parts:
    from m2pt.modalities.image.augment import augment
    from m2pt.modalities.image.heads.windows import predict_scene
    from m2pt.modalities.image.maps import ImageMap
    from m2pt.modalities.image.published import PublishedImageTokenizer
    from m2pt.modalities.image.reconstruct import draw, loss, restore
    from m2pt.modalities.image.tokenizer import ImageTokenizer

    return Parts(
        ImageTokenizer,
        PublishedImageTokenizer,
        augment,
        Reconstruction(loss, restore, draw),
        predict_scene,
        embedding_map=ImageMap,
    )


def _small(folder: Path, split: str, config: ImageInput) -> "Samples":
    from m2pt.modalities.image.small import read

    return read(folder, split, config)


def _small_file(path: Path, config: ImageInput) -> "NDArray[np.float32]":
    from m2pt.modalities.image.small import read_file

    return read_file(path, config)


def _file(path: Path, wanted: Wanted) -> "list[Tensor]":
    from m2pt.modalities.image.items import views_of

    return views_of(path, wanted)


def _lists(folder: Path, split: str, config: ImageInput) -> Listed:
    from m2pt.modalities.image.small import read_lists

    return read_lists(folder, split, config)


def _own() -> OwnFiles:
    from m2pt.modalities.image.own import OWN

    return OWN


def _embedded() -> Embedded:
    from m2pt.modalities.image.embedded import VERSION, write

    return Embedded(VERSION, write)


IMAGE = ModalitySpec(
    name="image",
    section=ImageInput,
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
    decoders=("numpy", "pillow"),
    samples="Pictures with values in [0, 1]",
    colour="#0072b2",
    first_input={"size": 64, "patch": 8},
)
