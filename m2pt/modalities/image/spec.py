"""The declaration of the image modality."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import ImageInput
from m2pt.modalities.dataset import DatasetFolder
from m2pt.modalities.image import datasets
from m2pt.modalities.image.recipes import RECIPES
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.spec import Embedded, ModalitySpec, Parts, Reconstruction

if TYPE_CHECKING:
    from m2pt.modalities.shared.samples import Samples


def _parts() -> Parts:
    from m2pt.modalities.image.augment import augment
    from m2pt.modalities.image.heads.windows import predict_scene
    from m2pt.modalities.image.published import PublishedImageTokenizer
    from m2pt.modalities.image.reconstruct import draw, loss, restore
    from m2pt.modalities.image.tokenizer import ImageTokenizer

    return Parts(ImageTokenizer, PublishedImageTokenizer, augment, Reconstruction(loss, restore, draw), predict_scene)


def _small(folder: Path, split: str, config: ImageInput) -> "Samples":
    from m2pt.modalities.image.small import read

    return read(folder, split, config)


def _lists(folder: Path, split: str, config: ImageInput) -> Listed:
    from m2pt.modalities.image.small import read_lists

    return read_lists(folder, split, config)


def _embedded() -> Embedded:
    from m2pt.modalities.image.embedded import VERSION, write

    return Embedded(VERSION, write)


IMAGE = ModalitySpec(
    name="image",
    section=ImageInput,
    parts=_parts,
    recipes=RECIPES,
    small=_small,
    small_lists=_lists,
    datasets=DatasetFolder(datasets),
    embedded=_embedded,
    rights="made from the handwritten digits of UCI (E. Alpaydin, C. Kaynak, 1998), which their authors license under CC BY 4.0",
    decoders=("numpy", "pillow"),
)
