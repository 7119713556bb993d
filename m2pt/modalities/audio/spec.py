"""The declaration of the audio modality."""

from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import AudioInput
from m2pt.modalities.audio import datasets
from m2pt.modalities.audio.recipes import OWN_RECIPES, RECIPES
from m2pt.modalities.dataset import DatasetFolder
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
    from m2pt.modalities.audio.augment import augment
    from m2pt.modalities.audio.maps import AudioMap
    from m2pt.modalities.audio.published import PublishedAudioTokenizer
    from m2pt.modalities.audio.reconstruct import draw, loss, restore
    from m2pt.modalities.audio.tokenizer import AudioTokenizer

    return Parts(AudioTokenizer, PublishedAudioTokenizer, augment, Reconstruction(loss, restore, draw), embedding_map=AudioMap)


def _small(folder: Path, split: str, config: AudioInput) -> "Samples":
    from m2pt.modalities.audio.small import read

    return read(folder, split, config)


def _small_file(path: Path, config: AudioInput) -> "NDArray[np.float32]":
    from m2pt.modalities.audio.small import read_file

    return read_file(path, config)


def _file(path: Path, wanted: Wanted) -> "list[Tensor]":
    from m2pt.modalities.audio.items import views_of

    return views_of(path, wanted)


def _lists(folder: Path, split: str, config: AudioInput) -> Listed:
    from m2pt.modalities.audio.small import read_lists

    return read_lists(folder, split, config)


def _own() -> OwnFiles:
    from m2pt.modalities.audio.own import OWN

    return OWN


def _embedded() -> Embedded:
    from m2pt.modalities.audio.embedded import VERSION, write

    return Embedded(VERSION, write)


AUDIO = ModalitySpec(
    name="audio",
    section=AudioInput,
    parts=_parts,
    recipes=RECIPES | OWN_RECIPES,
    small=_small,
    small_lists=_lists,
    small_file=_small_file,
    file=_file,
    datasets=DatasetFolder(datasets),
    own=_own,
    embedded=_embedded,
    rights="spoken by eSpeak NG (GPL-3.0-or-later); its library and voices are not part of the data",
    decoders=("av", "kaldi-native-fbank", "numpy", "scipy", "soundfile"),
    samples="Log-mel filterbanks as they are",
    colour="#d55e00",
    first_input={"frames": 256, "mels": 64},
)
