"""Reader of images in class folders, the layout of ImageNet: `<folder>/<split>/<class>/<image>`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import ImageInput, UserError
from m2pt.modalities.image.decoding.pictures import SUFFIXES, read_picture
from m2pt.modalities.shared.listed import SPLITS, Listed, listed, require_folder
from m2pt.modalities.shared.pixels import fit
from m2pt.modalities.shared.samples import Samples, collect


def read(folder: Path, split: str, config: ImageInput) -> Samples:
    """Read one split, ordered by class and file name. Dotfiles are passed over.

    The classes are the class folders of all splits together, by name, so that a label means the same in each.

    Raises:
        UserError: as `read_lists`; or a file is not a complete image.

    """
    split_lists = read_lists(folder, split, config)
    pictures = [read_file(_named_as_image(path), config)[0] for path in split_lists.paths]
    return collect(pictures, split_lists.labels, split_lists.classes, folder / split)


def read_file(path: Path, config: ImageInput) -> NDArray[np.float32]:
    """One picture as `read` gives it: (1, C, size, size). Raises `UserError` if it is not a complete image."""
    return fit(read_picture(path), config.size, config.channels).astype(np.float32)[None] / np.float32(255)


def read_lists(folder: Path, split: str, config: ImageInput) -> Listed:
    """The files and labels of one split, in the order of `read`.

    Raises:
        UserError: the folder, the split or a class is missing or empty.

    """
    del config
    require_folder(folder)
    if not (folder / split).is_dir():
        raise UserError(f"{folder / split}: the split is missing; images belong into {folder / split}/<class>/.")
    classes = sorted({path.name for name in SPLITS if (folder / name).is_dir() for path in _class_folders(folder / name)})
    paths, labels = [], []
    for label, name in enumerate(classes):
        members = folder / split / name
        for path in sorted(members.iterdir()) if members.is_dir() else []:
            if not path.name.startswith("."):
                paths.append(path)
                labels.append(label)
    return listed(paths, labels, classes, folder / split)


def _class_folders(split: Path) -> list[Path]:
    paths = [path for path in split.iterdir() if not path.name.startswith(".")]
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: is next to the class folders; images belong into {split}/<class>/.")
    return paths


def _named_as_image(path: Path) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: is not an image ({', '.join(SUFFIXES)}); remove it from the class folder.")
    return path
