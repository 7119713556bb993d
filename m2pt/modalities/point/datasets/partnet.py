"""PartNet's fine-grained semantic segmentation (arXiv 1812.02713, section 5.1) in its published files: the folder `sem_seg_h5`.

`<Category>-<level>/{train,val,test}_files.txt` list HDF5 files there with `data` (N, 10000, 3) and `label_seg` (N, 10000).
Label 0 of a category is "other": it is learnt like the parts, but neither predicted nor counted in the published evaluation.

All categories of a level (the variant: 1, 2 or 3, the finest) are trained jointly, with their labels counted through, where
PartNet's authors train a model for each; and shapes are tested on as many points as the input has, where they take all.
"""

from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from m2pt.config import UserError, refuses_unknown
from m2pt.files.state import FileState, settled
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.point.decoding.hdf5 import POINTS, Rows, read_labels, require_labels
from m2pt.modalities.point.items import PartItems
from m2pt.modalities.point.transforms.clouds import part_transform
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import member, require_folder
from m2pt.modalities.shared.listings import read_list, require_unique
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

NAME = "partnet"
LABELS = "label_seg"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
FINEST = "3"

FINEST_PARTS = {
    "Bed": 15, "Bottle": 9, "Chair": 39, "Clock": 11, "Dishwasher": 7, "Display": 4, "Door": 5, "Earphone": 10, "Faucet": 12,
    "Knife": 10, "Lamp": 41, "Microwave": 6, "Refrigerator": 7, "StorageFurniture": 24, "Table": 51, "TrashCan": 11, "Vase": 6,
}  # fmt: skip
"""How many labels the categories of level 3 have, "other" among them; for the coarser levels they are counted in the files."""

CATEGORIES = {
    "1": tuple(sorted([*FINEST_PARTS, "Bag", "Bowl", "Hat", "Keyboard", "Laptop", "Mug", "Scissors"])),
    "2": ("Bed", "Chair", "Dishwasher", "Door", "Lamp", "Microwave", "Refrigerator", "StorageFurniture", "Table"),
    FINEST: tuple(FINEST_PARTS),
}
"""The categories of each level: a score is a mean over all of them, so none may be absent."""


@refuses_unknown
def open_partnet(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """Open one split of all categories of the level that is wanted (3 where no variant is named).

    Raises:
        UserError: there is no such level, or a category, a list or a file is missing, damaged or of another form.

    """
    part_transform(wanted, NAME)
    level = FINEST if wanted.variant is None else wanted.variant
    if level not in CATEGORIES:
        raise UserError(f"tasks: the data set {NAME} has no variant {level!r}; choose a level: '1', '2' or '3'.")
    needed(require_folder(folder), f"{CATEGORIES[level][0]}-{level}")
    categories: dict[str, int] = {}
    paths, counts, labels = [], [], []
    for number, name in enumerate(CATEGORIES[level]):
        files_by_split = {part: _files(folder / f"{name}-{level}", part) for part in SPLITS}
        categories[name] = _parts(name, level, [path for files in files_by_split.values() for path in files])
        for path in files_by_split[split]:
            count = _facts(path)[0]
            paths.append(path)
            counts.append(count)
            labels += [number] * count
    return StoredParts(wanted, categories, Rows(paths, counts), labels)


class StoredParts(PartItems):
    """Clouds in HDF5 files."""

    def __init__(self, wanted: Wanted, categories: dict[str, int], rows: Rows, labels_N: list[int]) -> None:
        super().__init__(NAME, wanted, categories, labels_N)
        self._rows = rows

    def name(self, index: int) -> str:
        """File and number of one cloud."""
        return self._rows.name(index)

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._rows.file(index)

    def points(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read one cloud."""
        first = self.parts[int(self.labels[index])][0]
        return self._rows.read(index, POINTS), self._rows.read(index, LABELS).astype("int64") + first


def _files(home: Path, split: Split) -> list[Path]:
    listing = home / f"{split}_files.txt"
    names = read_list(listing)
    require_unique(names, listing)
    return [member(home, name, listing) for name in names]


def _parts(name: str, level: str, paths: list[Path]) -> int:
    """How many labels a category has; checks those of its files."""
    if level != FINEST:
        return 1 + max(_facts(path)[1] for path in paths)
    for path in paths:
        if _facts(path)[1] >= FINEST_PARTS[name]:
            labels = read_labels(path, LABELS, each_point=True)
            require_labels(path, LABELS, labels, FINEST_PARTS[name])
    return FINEST_PARTS[name]


def _facts(path: Path) -> tuple[int, int]:
    """How many clouds a file has, and its largest label; read once for each state of the file."""
    return _read_facts(path, settled(path))


@cache
def _read_facts(path: Path, state: FileState) -> tuple[int, int]:
    del state  # part of the cache key: the content of the file
    labels = read_labels(path, LABELS, each_point=True)
    require_labels(path, LABELS, labels, 1000)  # none is negative
    return len(labels), int(labels.max())


def _require_possible(wanted: Wanted) -> None:
    part_transform(wanted, NAME)
    require_variant(NAME, wanted, None, *CATEGORIES)


# The 17 categories that have the third (finest) level; the classes hold an `other` of each.
_FINEST = DatasetFacts(17_119, 2_492, 4_895, 268, "PartNet (arXiv 1812.02713), sem_seg_h5, level 3", 17)

DATASET = DatasetSpec(open=open_partnet, require_possible=_require_possible, facts={None: _FINEST, FINEST: _FINEST})
