"""The declaration of the point modality."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import PointInput
from m2pt.modalities.dataset import DatasetFolder
from m2pt.modalities.own.dataset import OwnFiles
from m2pt.modalities.point import datasets
from m2pt.modalities.point.recipes import OWN_RECIPES, RECIPES
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.spec import Embedded, ModalitySpec, Parts, Reconstruction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from m2pt.modalities.shared.samples import Samples


def _parts() -> Parts:
    from m2pt.modalities.point.augment import augment
    from m2pt.modalities.point.maps import PointMap
    from m2pt.modalities.point.published import PublishedPointTokenizer
    from m2pt.modalities.point.reconstruct import draw, loss, restore
    from m2pt.modalities.point.tokenizer import PointTokenizer

    return Parts(PointTokenizer, PublishedPointTokenizer, augment, Reconstruction(loss, restore, draw), embedding_map=PointMap)


def _small(folder: Path, split: str, config: PointInput) -> "Samples":
    from m2pt.modalities.point.small import read

    return read(folder, split, config)


def _small_file(path: Path, config: PointInput) -> "NDArray[np.float32]":
    from m2pt.modalities.point.small import read_file

    return read_file(path, config)


def _file(path: Path, wanted: Wanted) -> "list[Tensor]":
    from m2pt.modalities.point.items import views_of

    return views_of(path, wanted)


def _lists(folder: Path, split: str, config: PointInput) -> Listed:
    from m2pt.modalities.point.small import read_lists

    return read_lists(folder, split, config)


def _own() -> OwnFiles:
    from m2pt.modalities.point.own import OWN

    return OWN


def _embedded() -> Embedded:
    from m2pt.modalities.point.embedded import VERSION, write

    return Embedded(VERSION, write)


POINT = ModalitySpec(
    name="point",
    section=PointInput,
    parts=_parts,
    recipes=RECIPES | OWN_RECIPES,
    small=_small,
    small_lists=_lists,
    small_file=_small_file,
    file=_file,
    datasets=DatasetFolder(datasets),
    own=_own,
    embedded=_embedded,
    rights="made from solids of trimesh (MIT licence); free of any third party's rights",
    decoders=("h5py", "numpy"),
    views_averaged_as="logits",  # as in Point-MAE
    has_rectangles=False,
    samples="Clouds, centred, in the unit sphere",
    colour="#009e73",
    range=(-1.0, 1.0),
    first_input={"points": 512, "groups": 32, "neighbours": 16},
)
