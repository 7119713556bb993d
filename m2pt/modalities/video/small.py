"""Reader of videos listed in a CSV file, as Kinetics is for VideoMAE: lines `relative/path label` in `<split>.csv`.

Line k of `classes.txt` names label k. Shape suffixes: C channels, T frames, H height, W width.
"""

from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from m2pt.config import UserError, VideoInput
from m2pt.modalities.shared.listed import Listed, listed, member
from m2pt.modalities.shared.listings import read_list, require_unique
from m2pt.modalities.shared.pixels import fit
from m2pt.modalities.shared.samples import Samples, collect
from m2pt.modalities.video.decoding.lists import CLASSES, read_entries
from m2pt.modalities.video.decoding.videos import opened


def read(folder: Path, split: str, config: VideoInput) -> Samples:
    """Read one split in the order of its list: `frames` frames of each video, evenly over its length.

    Raises:
        UserError: as `read_lists`; or a file is damaged.

    """
    split_lists = read_lists(folder, split, config)
    reformatter = VideoReformatter()  # one for all: setting up a conversion costs more than converting a small frame
    clips = [read_file(path, config, reformatter)[0] for path in split_lists.paths]
    return collect(clips, split_lists.labels, split_lists.classes, folder / f"{split}.csv")


def read_file(path: Path, config: VideoInput, reformatter: VideoReformatter | None = None) -> NDArray[np.float32]:
    """One clip as `read` gives it: (1, C, T, H, W). Raises `UserError` if it is damaged."""
    return _clip(path, config, reformatter or VideoReformatter()).astype(np.float32)[None] / np.float32(255)


def read_lists(folder: Path, split: str, config: VideoInput) -> Listed:
    """The files and labels of one split, in the order of its list.

    Raises:
        UserError: a list or file is missing or empty, or a label is unknown.

    """
    del config
    classes = read_list(folder / CLASSES)
    listing = folder / f"{split}.csv"
    paths, labels = [], []
    entries = read_entries(listing)
    require_unique([name for _, name, _ in entries], listing)
    for number, name, label in entries:
        if label >= len(classes):
            raise UserError(f"{listing}: line {number} has label {label}, but {CLASSES} names only {len(classes)} classes.")
        paths.append(member(folder, name, listing))
        labels.append(label)
    return listed(paths, labels, classes, listing)


def _clip(path: Path, config: VideoInput, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """(C, T, H, W) bytes of the sampled frames."""
    with opened(path) as video:
        # The middles of equal parts; of a clip with as many frames as are wanted, every frame.
        wanted = [(2 * index + 1) * len(video) // (2 * config.frames) for index in range(config.frames)]
        pictures: dict[int, NDArray[np.uint8]] = {}
        form = "gray" if config.channels == 1 else "rgb24"
        upright = video.upright(lambda frame: np.asarray(reformatter.reformat(frame, format=form).to_ndarray(), dtype=np.uint8))
        for index, frame in enumerate(video.frames()):
            if index in wanted and not frame.is_corrupt:
                pictures[index] = fit(Image.fromarray(upright(frame)), config.size, config.channels)
        return np.stack([pictures[index] for index in wanted], axis=1)
