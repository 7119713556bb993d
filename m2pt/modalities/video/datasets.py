"""Reader of videos listed in a CSV file, as Kinetics is for VideoMAE: lines `relative/path label` in `<split>.csv`.

Line k of `classes.txt` names label k. Shape suffixes: C channels, T frames, H height, W width.
"""

from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from m2pt.config import UserError, VideoInput
from m2pt.modalities.pixels import fit
from m2pt.modalities.samples import Samples, collect, member, read_list
from m2pt.modalities.video.decoding import opened

CLASSES = "classes.txt"


def read(folder: Path, split: str, config: VideoInput) -> Samples:
    """Read one split in the order of its list: `frames` frames of each video, evenly over its length.

    Raises:
        UserError: a list or file is missing, empty or damaged, or a label is unknown.

    """
    classes = read_list(folder / CLASSES)
    listing = folder / f"{split}.csv"
    clips, labels = [], []
    reformatter = VideoReformatter()  # one for all: setting up a conversion costs more than converting a small frame
    for number, line in enumerate(read_list(listing), start=1):
        name, label = _entry(line, number, listing, len(classes))
        clip_CTHW = _clip(member(folder, name, listing), config, reformatter)
        clips.append(clip_CTHW.astype(np.float32) / np.float32(255))
        labels.append(label)
    return collect(clips, labels, classes, listing)


def _entry(line: str, number: int, listing: Path, num_classes: int) -> tuple[str, int]:
    """Path and label of one line; the path may hold spaces."""
    name, _, label = line.replace("\t", " ").rpartition(" ")
    if not name.strip() or not label.isdecimal():
        raise UserError(f"{listing}: line {number} is not `path label` with a whole number as the label: {line!r}.")
    if int(label) >= num_classes:
        raise UserError(f"{listing}: line {number} has label {label}, but {CLASSES} names only {num_classes} classes.")
    return name.strip(), int(label)


def _clip(path: Path, config: VideoInput, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """(C, T, H, W) bytes of the sampled frames."""
    with opened(path) as video:
        # The middles of equal parts; of a clip with as many frames as are wanted, every frame.
        wanted = [(2 * index + 1) * len(video) // (2 * config.frames) for index in range(config.frames)]
        pictures: dict[int, NDArray[np.uint8]] = {}
        form = "gray" if config.channels == 1 else "rgb24"
        upright = video.upright(lambda frame: np.asarray(reformatter.reformat(frame, format=form).to_ndarray(), dtype=np.uint8))
        for index, frame in enumerate(video.frames()):
            if index in wanted:
                pictures[index] = fit(Image.fromarray(upright(frame)), config.size, config.channels)
        return np.stack([pictures[index] for index in wanted], axis=1)
