"""ModelNet40 (arXiv 1406.5670) in its two published forms; which one a folder holds is seen from its list of classes.

HDF5 (`modelnet40_ply_hdf5_2048`): `shape_names.txt`; `train_files.txt` and `test_files.txt` list files with `data` (N, 2048, 3)
and `label` (N, 1). There is no validation split, but `val_files.txt` is read where someone has made one.

Text (`modelnet40_normal_resampled`): `modelnet40_shape_names.txt`; `modelnet40_train.txt` and `modelnet40_test.txt` list names
such as `airplane_0001`, of which the file `airplane/airplane_0001.txt` has lines `x,y,z,nx,ny,nz`. Normals are not used.
Point-MAE trains on this form.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from m2pt.config import PointInput, UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.point.decoding.hdf5 import Rows, listed_files, read_labels, require_labels
from m2pt.modalities.point.decoding.text import read_table
from m2pt.modalities.point.items import CloudItems, StoredClouds, require_every_class
from m2pt.modalities.point.transforms.clouds import cloud_transform
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import place, require_folder
from m2pt.modalities.shared.listings import read_list, require_unique
from m2pt.modalities.shared.missing import advice
from m2pt.modalities.shared.wanted import Split, Wanted

NAME = "modelnet40"
HDF5_CLASSES = "shape_names.txt"
TEXT_CLASSES = "modelnet40_shape_names.txt"
COLUMNS = 6


@refuses_unknown
def open_modelnet40(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """Open one split, in the form that the folder has.

    Raises:
        UserError: it has none of the two forms, or a list or a file is missing, damaged or of another form.

    """
    if wanted.variant is not None:
        raise UserError(f"tasks: the data set {NAME} has no variant {wanted.variant!r}; leave it out.")
    transform = cloud_transform(wanted, NAME)
    forms = [name for name in (HDF5_CLASSES, TEXT_CLASSES) if (require_folder(folder) / name).is_file()]
    if len(forms) > 1:
        raise UserError(f"{folder}: holds {' and '.join(forms)}, the lists of both forms of the data set; keep one of them.")
    if forms == [TEXT_CLASSES]:
        return None if split == "val" else TextClouds(folder, split, wanted)
    if not forms:
        more = advice(folder, HDF5_CLASSES) or advice(folder, TEXT_CLASSES)
        raise UserError(f"{folder}: has neither {HDF5_CLASSES} (HDF5) nor {TEXT_CLASSES} (text); correct the task's path{more}.")
    listing = folder / f"{split}_files.txt"
    if split == "val" and not listing.exists():
        return None
    return _stored(folder, listing, wanted, transform.config)


def _stored(folder: Path, listing: Path, wanted: Wanted, config: PointInput) -> StoredClouds:
    classes = read_list(folder / HDF5_CLASSES)
    paths = listed_files(folder, listing)
    labels = [read_labels(path, "label", each_point=False, at_least=config.points) for path in paths]
    for path, label_N in zip(paths, labels, strict=True):
        require_labels(path, "label", label_N, len(classes))
    return StoredClouds(NAME, wanted, classes, Rows(paths, [len(part) for part in labels]), np.concatenate(labels), listing)


class TextClouds(CloudItems):
    """Clouds in a text file each."""

    def __init__(self, folder: Path, split: Split, wanted: Wanted) -> None:
        classes = read_list(folder / TEXT_CLASSES)
        listing = folder / f"modelnet40_{split}.txt"
        self._folder, self._names = folder, read_list(listing)
        require_unique(self._names, listing)
        super().__init__(NAME, wanted, classes, torch.from_numpy(_labels(self._names, classes, listing)))
        require_every_class(classes, self.labels, listing)
        for index, name in enumerate(self._names):
            place(folder, f"{self.classes[self.labels[index]]}/{name}.txt", listing)

    def points(self, index: int) -> NDArray[Any]:
        """Read one cloud."""
        path = self.file(index)
        table = read_table(path, COLUMNS, ",")
        if len(table) < self.transform.config.points:
            wanted = self.transform.config.points
            raise UserError(f"{path}: has {len(table)} points, fewer than the input's points ({wanted}); restore the file.")
        return table[:, :3]

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._folder / self.classes[self.labels[index]] / f"{self._names[index]}.txt"


def _labels(names: Sequence[str], classes: Sequence[str], listing: Path) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(classes)}
    for name in names:
        if name.rpartition("_")[0] not in numbers:
            raise UserError(f"{listing}: names {name!r}, which begins with no class of {TEXT_CLASSES}; restore the list.")
    return np.asarray([numbers[name.rpartition("_")[0]] for name in names])


def _require_possible(wanted: Wanted) -> None:
    cloud_transform(wanted, NAME)
    require_variant(NAME, wanted, None)


DATASET = DatasetSpec(
    open=open_modelnet40,
    require_possible=_require_possible,
    facts={None: DatasetFacts(9_843, None, 2_468, 40, "ModelNet40 (arXiv 1406.5670), its lists")},
    never_validates=True,
)
