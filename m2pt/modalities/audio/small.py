"""Reader of small sets of sounds named by an AudioSet manifest, as log-mel filterbanks in memory."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import AudioInput, UserError
from m2pt.modalities.audio.decoding.manifest import CLASSES, read_classes, read_entries, read_entry
from m2pt.modalities.audio.decoding.sounds import read_waveform
from m2pt.modalities.audio.transforms.filterbank import filterbank
from m2pt.modalities.shared.listed import Listed, listed, member, require_folder
from m2pt.modalities.shared.listings import require_unique
from m2pt.modalities.shared.samples import Samples, collect


def read(folder: Path, split: str, config: AudioInput) -> Samples:
    """Read one split in the order of its manifest: `frames` frames from the start, zeros after the end of a short sound.

    Filterbanks as in AST and AudioMAE, resampled where the rate differs.

    Raises:
        UserError: as `read_lists`; or a file is damaged.

    """
    split_lists = read_lists(folder, split, config)
    sounds = [read_file(path, config)[0] for path in split_lists.paths]
    return collect(sounds, split_lists.labels, split_lists.classes, folder / f"{split}.json")


def read_file(path: Path, config: AudioInput) -> NDArray[np.float32]:
    """One sound as `read` gives it: (1, 1, frames, mels). Raises `UserError` if it is damaged."""
    return filterbank(read_waveform(path, config.sample_rate, config.stereo), config)[None, None]


def read_lists(folder: Path, split: str, config: AudioInput) -> Listed:
    """The files and labels of one split, in the order of its manifest.

    Raises:
        UserError: a list or file is missing or empty, or an entry has no single known label.

    """
    del config
    require_folder(folder)
    labels_by_mid, classes = read_classes(folder / CLASSES)
    manifest = folder / f"{split}.json"
    paths, labels = [], []
    entries = [read_entry(entry, number, manifest) for number, entry in enumerate(read_entries(manifest))]
    require_unique([name for name, _ in entries], manifest)
    for number, (name, mid) in enumerate(entries):
        if mid not in labels_by_mid:
            many = " (one label for each sound is supported)" if "," in mid else ""
            raise UserError(f"{manifest}: data[{number}] has the label {mid!r}, which {CLASSES} does not name{many}.")
        paths.append(member(folder, name, manifest))
        labels.append(labels_by_mid[mid])
    return listed(paths, labels, classes, manifest)
