"""ADE20K in the release of the scene parsing challenge (ADEChallengeData2016): 150 classes, 20,210 + 2,000 scenes.

`<folder>/images/{training,validation}/*.jpg`, `<folder>/annotations/{training,validation}/*.png` (0: other, 1 to 150: the
classes) and `<folder>/objectInfo150.txt` with their names. `validation` has the published scores and is the test split here.

A picture is turned as its orientation tag says, as mmsegmentation's reader (OpenCV's `imread`) does; annotations are as stored.
"""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch.nn.functional import interpolate

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.image.decoding.pictures import decode, read_content, read_picture
from m2pt.modalities.image.decoding.png import grey_step
from m2pt.modalities.image.transforms.pictures import sections
from m2pt.modalities.image.transforms.scenes import SceneAugment, resized, resized_labels
from m2pt.modalities.shared.items import Item, Items, seeded
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.listings import read_lines
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

NUM_CLASSES = 150
NAMES = "objectInfo150.txt"


class Scenes(Items):
    """One split, ordered by file name. Without augmentation, training samples are the middles of the scenes."""

    def __init__(self, wanted: Wanted, home: Path, split: str, classes: tuple[str, ...], keys: list[str]) -> None:
        self.config, augment = sections(wanted, ("semantic_segmentation",), "ade20k")
        self.augment = None if augment is None else SceneAugment(self.config, augment)
        self.pictures, self.annotations = home / "images" / split, home / "annotations" / split
        self.classes = classes
        self.labels = None
        self.keys = keys

    def __len__(self) -> int:
        """How many scenes the split holds."""
        return len(self.keys)

    def file(self, index: int) -> Path:
        """As `Items.file`: the picture."""
        return self.pictures / f"{self.keys[index]}.jpg"

    def train(self, index: int, seed: int) -> Item:
        """One scene, augmented: x (C, size, size), y (size, size)."""
        picture, labels_HW = self._read(index)
        if self.augment is None:
            return self._middle(picture, labels_HW)
        with seeded(seed) as generator:
            x, y = self.augment(picture, labels_HW, generator)
        return {"x": x, "y": y}

    def test(self, index: int) -> Item:
        """One whole scene: x (1, C, H, W) with its shorter side at `size`, y (H0, W0) in the size of its file."""
        picture, labels_HW = self._read(index)
        x = resized(picture, self.config.size, self.config.channels)
        return {"x": x[None], "y": torch.from_numpy(labels_HW)}

    def _middle(self, picture: Image.Image, labels_HW: NDArray[np.int64]) -> Item:
        size = self.config.size
        x_CHW = resized(picture, size, self.config.channels)
        if min(x_CHW.shape[1:]) < size:  # a picture more than four times as long as high
            x_CHW = interpolate(x_CHW[None], size=(size, size), mode="bilinear", align_corners=False)[0]
        y_HW = resized_labels(labels_HW, *x_CHW.shape[1:])
        top, left = ((side - size) // 2 for side in y_HW.shape)
        place = (slice(top, top + size), slice(left, left + size))
        return {"x": x_CHW[:, *place].contiguous(), "y": y_HW[place].contiguous()}

    def _read(self, index: int) -> tuple[Image.Image, NDArray[np.int64]]:
        picture = ImageOps.exif_transpose(read_picture(self.file(index)))
        path = self.annotations / f"{self.keys[index]}.png"
        content = read_content(path)
        annotation = decode(content, path)
        if annotation.mode not in ("L", "P", "I", "I;16"):
            raise UserError(
                f"{path}: is a picture in colours where one number a pixel is expected; take the annotations of "
                "ADE20K's scene parsing release (ADEChallengeData2016)."
            )
        if annotation.size != picture.size:
            sizes = f"{annotation.width} × {annotation.height} pixels, its picture {picture.width} × {picture.height}"
            raise UserError(f"{path}: has {sizes}; restore the pair.")
        labels_HW = np.asarray(annotation).astype(np.int64) // grey_step(content) - 1
        if labels_HW.max() >= NUM_CLASSES or labels_HW.min() < -1:
            wrong = labels_HW.max() if labels_HW.max() >= NUM_CLASSES else labels_HW.min()
            raise UserError(f"{path}: holds the class {wrong + 1}; classes go from 1 to {NUM_CLASSES}, 0 is for others.")
        return picture, labels_HW


@refuses_unknown
def open_ade20k(folder: Path, split: Split, wanted: Wanted) -> Scenes | None:
    """Open `training`, or `validation` as the test split; there is no split `val`. Only folders are listed, no picture is read.

    Raises:
        UserError: a folder, a picture or its annotation is missing, or `objectInfo150.txt` is not as it should be.

    """
    require_folder(folder)
    if split == "val":
        return None
    home = "training" if split == "train" else "validation"
    for name in (f"images/{home}", f"annotations/{home}"):
        needed(folder, name)
    pictures = _keys(folder / "images" / home, ".jpg")
    annotations = _keys(folder / "annotations" / home, ".png")
    if odd := sorted(pictures ^ annotations):
        kind, suffix = ("annotations", ".png") if odd[0] in pictures else ("images", ".jpg")
        raise UserError(f"{folder / kind / home / odd[0]}{suffix}: is missing, its counterpart is there; restore the pair.")
    return Scenes(wanted, folder, home, _names(folder / NAMES), sorted(pictures))


def _keys(home: Path, suffix: str) -> set[str]:
    require_folder(home)
    with os.scandir(home) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    if wrong := sorted(name for name in names if not name.endswith(suffix)):
        raise UserError(f"{home / wrong[0]}: is not a {suffix} file; remove it.")
    if not names:
        raise UserError(f"{home}: is empty; unpack the scene parsing release of ADE20K (ADEChallengeData2016).")
    return {name.removesuffix(suffix) for name in names}


def _names(path: Path) -> tuple[str, ...]:
    """Names of the classes: a table with tabs, `Idx` in the first column, `Name` in the last; numbers where it is not there."""
    if not path.is_file():
        return tuple(str(number) for number in range(1, NUM_CLASSES + 1))
    rows = read_lines(path)[1:]
    if len(rows) != NUM_CLASSES:
        raise UserError(f"{path}: lists {len(rows)} classes below its heading, not {NUM_CLASSES}; restore the file.")
    names = []
    for number, (line, row) in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row.split("\t")]
        if len(cells) < 2 or cells[0] != str(number):
            raise UserError(f"{path}, line {line}: must hold class {number} and its name, between tabs; restore the file.")
        names.append(cells[-1])
    return tuple(names)


def _require_possible(wanted: Wanted) -> None:
    config, augment = sections(wanted, ("semantic_segmentation",), "ade20k")
    require_variant("ade20k", wanted, None)
    if augment is not None:
        SceneAugment(config, augment)


DATASET = DatasetSpec(
    open=open_ade20k,
    require_possible=_require_possible,
    facts={None: DatasetFacts(20_210, None, 2_000, 150, "SceneParse150 (arXiv 1608.05442, section 4)")},
    never_validates=True,
)
