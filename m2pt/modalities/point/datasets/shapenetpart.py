"""ShapeNetPart (doi 10.1145/2980179.2980238): the folder `shapenetcore_partanno_segmentation_benchmark_v0_normal`.

`synsetoffset2category.txt` has lines `Airplane 02691156`; `train_test_split/shuffled_{train,val,test}_file_list.json` have
entries `shape_data/02691156/<id>`, of which the file `02691156/<id>.txt` has lines `x y z nx ny nz label`. Normals are not used.

The splits are the official ones. PointNet++, Point-MAE and M2PT train on `train` and `val` together: this is the variant
`trainval`, which has no split `val`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.point.decoding.text import read_table
from m2pt.modalities.point.items import PartItems
from m2pt.modalities.point.transforms.clouds import part_transform
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import place, require_folder
from m2pt.modalities.shared.listings import read_document, read_list
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

NAME = "shapenetpart"
TOGETHER = "trainval"
FOLDERS = "synsetoffset2category.txt"
COLUMNS = 7

CATEGORIES = {
    "Airplane": 4, "Bag": 2, "Cap": 2, "Car": 4, "Chair": 4, "Earphone": 3, "Guitar": 3, "Knife": 2, "Lamp": 4, "Laptop": 2,
    "Motorbike": 6, "Mug": 2, "Pistol": 3, "Rocket": 3, "Skateboard": 3, "Table": 3,
}  # fmt: skip
"""How many parts each category has; their 50 labels are counted through in this order."""


@refuses_unknown
def open_shapenetpart(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """Open one split; its clouds are ordered by category and name.

    Raises:
        UserError: a list or a file that it names is missing or damaged, or names what is no shape.

    """
    part_transform(wanted, NAME)
    if wanted.variant not in (None, TOGETHER):
        raise UserError(f"tasks: the data set {NAME} has no variant {wanted.variant!r}; leave it out or choose {TOGETHER}.")
    if wanted.variant == TOGETHER and split == "val":
        return None
    folders = _folders(require_folder(folder))
    names = ("train", "val") if wanted.variant == TOGETHER and split == "train" else (split,)
    shapes: dict[tuple[int, str], Path] = {}
    for name in names:
        listing = folder / "train_test_split" / f"shuffled_{name}_file_list.json"
        for entry in _entries(listing):
            shape = _shape(entry, folders, listing)
            if shape in shapes:
                raise UserError(f"{listing}: names {entry!r}, which is listed already; remove one of the two.")
            shapes[shape] = place(folder, "/".join(entry.split("/")[1:]) + ".txt", listing)
    ordered = sorted(shapes)
    return TextParts(wanted, [category for category, _ in ordered], [shapes[shape] for shape in ordered])


class TextParts(PartItems):
    """Clouds in a text file each."""

    def __init__(self, wanted: Wanted, labels_N: Sequence[int], paths: Sequence[Path]) -> None:
        super().__init__(NAME, wanted, CATEGORIES, labels_N)
        self._paths = list(paths)

    def name(self, index: int) -> str:
        """The path of one cloud."""
        return str(self._paths[index])

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._paths[index]

    def points(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read one cloud."""
        path, category = self._paths[index], int(self.labels[index])
        table = read_table(path, COLUMNS, None)
        labels, known = table[:, -1], self.parts[category]
        wrong = np.flatnonzero(~np.isin(labels, known))
        if len(wrong):
            raise UserError(
                f"{path}, line {wrong[0] + 1}: the label {labels[wrong[0]]:g} is not a part of {list(CATEGORIES)[category]} "
                f"({known[0]} to {known[-1]}); restore the file."
            )
        return table[:, :3], labels


def _folders(folder: Path) -> dict[str, int]:
    """The category of each folder.

    Raises:
        UserError: the list is not that of the sixteen categories.

    """
    listing = needed(folder, FOLDERS)
    places: dict[str, str] = {}
    for line in read_list(listing):
        name, _, place = line.partition("\t") if "\t" in line else line.partition(" ")
        if name not in CATEGORIES or name in places or not place.strip():
            raise UserError(f"{listing}: the line {line!r} is not one of the 16 categories with its folder; restore the file.")
        places[name] = place.strip()
    absent = [name for name in CATEGORIES if name not in places]
    if absent:
        raise UserError(f"{listing}: lacks the category {absent[0]}; restore the file.")
    return {places[name]: number for number, name in enumerate(CATEGORIES)}


def _entries(listing: Path) -> list[str]:
    entries = read_document(listing)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, str) for entry in entries):
        raise UserError(f"{listing}: is not a list of names of shapes; restore the file.")
    return entries


def _shape(entry: str, folders: dict[str, int], listing: Path) -> tuple[int, str]:
    parts = entry.split("/")
    if len(parts) != 3 or parts[1] not in folders:
        raise UserError(
            f"{listing}: names {entry!r}, which is not of the form shape_data/<folder of {FOLDERS}>/<id>; restore it."
        )
    return folders[parts[1]], parts[2]


def _require_possible(wanted: Wanted) -> None:
    part_transform(wanted, NAME)
    require_variant(NAME, wanted, None, TOGETHER)


_SOURCE = "ShapeNet part annotations (doi 10.1145/2980179.2980238), the official split"

DATASET = DatasetSpec(
    open=open_shapenetpart,
    require_possible=_require_possible,
    facts={
        None: DatasetFacts(12_137, 1_870, 2_874, 50, _SOURCE, 16),
        TOGETHER: DatasetFacts(12_137 + 1_870, None, 2_874, 50, _SOURCE, 16),
    },
)
