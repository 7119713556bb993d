"""ImageNet-style class folders: `<folder>/{train,val}/<class>/<picture>`. Shape suffixes: N pictures.

ImageNet's own `val` has the published scores and is the test split here; validation data are held out of `train`.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.image.decoding.pictures import SUFFIXES, read_picture
from m2pt.modalities.image.items import PictureItems, require_every_class, require_pictures
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.missing import advice
from m2pt.modalities.shared.wanted import Split, Wanted


class ClassFolders(PictureItems):
    """One split; classes by name, pictures by class and name. Names are kept as an array of bytes: a million take 30 MB."""

    def __init__(self, wanted: Wanted, home: Path, classes: list[str], names_N: NDArray[np.bytes_], labels_N: NDArray[np.int64]):
        super().__init__("imagenet", wanted, classes, torch.from_numpy(labels_N))
        self.home = home
        self.names_N = names_N

    def picture(self, index: int) -> Image.Image:
        """Read one picture. Raises `UserError` naming its file."""
        return read_picture(self.file(index))

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self.home / self.classes[int(self.labels[index])] / os.fsdecode(bytes(self.names_N[index]))


@refuses_unknown
def open_imagenet(folder: Path, split: Split, wanted: Wanted) -> ClassFolders | None:
    """Open `train`, or `val` as the test split; there is no split `val`. Only folders are listed, no picture is read.

    Raises:
        UserError: a folder is missing, a class has no picture, or something is where it does not belong.

    """
    require_folder(folder)
    if split == "val":
        return None
    home = folder / ("train" if split == "train" else "val")
    classes = _classes(home)
    if split == "test" and (folder / "train").is_dir():
        known = _classes(folder / "train")
        if odd := sorted(set(classes) ^ set(known)):
            here, there = ("train", "val") if odd[0] in known else ("val", "train")
            raise UserError(
                f"{folder}: the class folder {odd[0]!r} is in {here}/ but not in {there}/; both need the same classes."
            )
    names: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        pictures = _pictures(home / name)
        names += pictures
        labels += [label] * len(pictures)
    labels_N = np.asarray(labels, dtype=np.int64)
    require_every_class(classes, labels_N, home)
    return ClassFolders(wanted, home, classes, np.asarray(names, dtype=np.bytes_), labels_N)


def _classes(home: Path) -> list[str]:
    if not home.is_dir():
        more = advice(home.parent, home.name)
        raise UserError(f"{home}: the split is missing; pictures belong into {home}/<class>/{more}.")
    classes = []
    with os.scandir(home) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                raise UserError(f"{entry.path}: is next to the class folders; sort the pictures into {home}/<class>/.")
            classes.append(entry.name)
    if not classes:
        raise UserError(f"{home}: holds no class folders; pictures belong into {home}/<class>/.")
    return sorted(classes)


def _pictures(home: Path) -> list[bytes]:
    names = []
    with os.scandir(home) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.name.lower().endswith(SUFFIXES):
                raise UserError(f"{entry.path}: is not an image ({', '.join(SUFFIXES)}); remove it from the class folder.")
            names.append(os.fsencode(entry.name))
    return sorted(names)


DATASET = DatasetSpec(
    open=open_imagenet,
    require_possible=partial(require_pictures, "imagenet"),
    facts={None: DatasetFacts(1_281_167, None, 50_000, 1000, "ILSVRC 2012 (arXiv 1409.0575, table 2)")},
    never_validates=True,
)
