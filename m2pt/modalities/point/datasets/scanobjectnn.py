"""ScanObjectNN (arXiv 1908.04616) in its published HDF5 files, `data` (N, 2048, 3) and `label` (N,), in three variants.

`obj_bg` (objects with background), `obj_only` (without) and `hardest` (PB_T50_RS: moved, turned and scaled boxes); the first two
also by the names of their files. All are of the main split, which has no validation part. Point-MAE takes the clouds as they
are stored, its recipe here as well (`PointInput.centred`).
"""

from pathlib import Path

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec, require_variant
from m2pt.modalities.point.decoding.hdf5 import Rows, read_labels, require_labels
from m2pt.modalities.point.items import StoredClouds
from m2pt.modalities.point.transforms.clouds import cloud_transform
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import member, require_folder
from m2pt.modalities.shared.missing import needed
from m2pt.modalities.shared.wanted import Split, Wanted

NAME = "scanobjectnn"

CLASSES = (
    "bag", "bin", "box", "cabinet", "chair", "desk", "display", "door", "shelf", "table",
    "bed", "pillow", "sink", "sofa", "toilet",
)  # fmt: skip

_BACKGROUND = ("main_split", "objectdataset.h5")
_NO_BACKGROUND = ("main_split_nobg", "objectdataset.h5")
VARIANTS = {
    "obj_bg": _BACKGROUND,
    "objectdataset": _BACKGROUND,
    "obj_only": _NO_BACKGROUND,
    "objectdataset_nobg": _NO_BACKGROUND,
    "hardest": ("main_split", "objectdataset_augmentedrot_scale75.h5"),
}
"""Folder and end of the file names of each variant."""


@refuses_unknown
def open_scanobjectnn(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """Open one split of the variant that is wanted; there is no split `val`.

    Raises:
        UserError: there is no such variant, or its file is missing, damaged or of another form.

    """
    transform = cloud_transform(wanted, NAME)
    if wanted.variant not in VARIANTS:
        raise UserError(f"tasks: the data set {NAME} has no variant {wanted.variant!r}; choose one of obj_bg, obj_only, hardest.")
    if split == "val":
        return None
    home, ending = VARIANTS[wanted.variant]
    needed(require_folder(folder), home)
    path = member(folder, f"{home}/{'training' if split == 'train' else 'test'}_{ending}", folder)
    labels_N = read_labels(path, "label", each_point=False, at_least=transform.config.points)
    require_labels(path, "label", labels_N, len(CLASSES))
    return StoredClouds(NAME, wanted, CLASSES, Rows([path], [len(labels_N)]), labels_N, path)


def _require_possible(wanted: Wanted) -> None:
    cloud_transform(wanted, NAME)
    require_variant(NAME, wanted, *VARIANTS)


_PLAIN = DatasetFacts(2_309, None, 581, 15, "ScanObjectNN (arXiv 1908.04616), main split")
_HARDEST = DatasetFacts(11_416, None, 2_882, 15, "ScanObjectNN (arXiv 1908.04616), PB_T50_RS, main split")

DATASET = DatasetSpec(
    open=open_scanobjectnn,
    require_possible=_require_possible,
    facts={"obj_bg": _PLAIN, "obj_only": _PLAIN, "hardest": _HARDEST},
    never_validates=True,
)
