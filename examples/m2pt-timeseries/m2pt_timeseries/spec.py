"""The declaration of the modality; what computes or decodes is imported when it is used."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.modalities.own.dataset import OwnFiles
from m2pt.modalities.shared.listed import Listed
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.spec import Embedded, ModalitySpec, Parts, Reconstruction
from m2pt_timeseries.recipes import RECIPES
from m2pt_timeseries.section import TimeseriesInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from m2pt.modalities.shared.samples import Samples


def _parts() -> Parts:
    from m2pt_timeseries.augment import augment
    from m2pt_timeseries.maps import TimeseriesMap
    from m2pt_timeseries.reconstruct import draw, loss, restore
    from m2pt_timeseries.tokenizer import TimeseriesTokenizer

    reconstruction = Reconstruction(loss, restore, draw)
    return Parts(TimeseriesTokenizer, None, augment, reconstruction, embedding_map=TimeseriesMap)


def _small(folder: Path, split: str, config: TimeseriesInput) -> "Samples":
    from m2pt_timeseries.small import read

    return read(folder, split, config)


def _small_file(path: Path, config: TimeseriesInput) -> "NDArray[np.float32]":
    from m2pt_timeseries.small import read_file

    return read_file(path, config)


def _lists(folder: Path, split: str, config: TimeseriesInput) -> Listed:
    from m2pt_timeseries.small import read_lists

    return read_lists(folder, split, config)


def _file(path: Path, wanted: Wanted) -> "list[Tensor]":
    from m2pt_timeseries.items import views_of

    return views_of(path, wanted)


def _own() -> OwnFiles:
    from m2pt_timeseries.own import OWN

    return OWN


def _embedded() -> Embedded:
    from m2pt_timeseries.embedded import VERSION, write

    return Embedded(VERSION, write)


TIMESERIES = ModalitySpec(
    name="timeseries",
    section=TimeseriesInput,
    parts=_parts,
    recipes=RECIPES,
    small=_small,
    small_lists=_lists,
    small_file=_small_file,
    file=_file,
    own=_own,
    embedded=_embedded,
    rights="computed from formulas; there are no rights in it",
    decoders=("numpy",),
    samples="Series of which each channel has mean 0 and standard deviation 1",
    colour="#8c6d00",
    range=(-2.0, 2.0),
    has_rectangles=False,
    first_input={"length": 256, "patch": 16},
)
