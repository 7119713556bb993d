"""The data sets of the UCR archive (arXiv 1810.07758) as they are published: `NAME_TRAIN.tsv` and `NAME_TEST.tsv`."""

from pathlib import Path

import torch

from m2pt.config import UserError
from m2pt.modalities.dataset import DatasetSpec, require_variant
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import require_all_classes, require_folder
from m2pt.modalities.shared.wanted import Split, Wanted
from m2pt_timeseries.items import SeriesItems, sections
from m2pt_timeseries.series import Series, read_labelled
from m2pt_timeseries.small import classes_of, numbered


class UcrSeries(SeriesItems):
    """One split, which is one file in memory."""

    def __init__(self, file: Path, training: Path, wanted: Wanted) -> None:
        rows, classes = read_labelled(file), classes_of(training)
        labels = numbered([label for label, _ in rows], classes, file)
        require_all_classes(labels, classes, file)
        super().__init__(file, wanted, classes, torch.tensor(labels))
        self._file, self._series = file, [series for _, series in rows]

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._file

    def name(self, index: int) -> str:
        """As `Items.name`."""
        return f"{self._file}, series {index + 1}"

    def series(self, index: int) -> Series:
        """As `SeriesItems.series`."""
        return self._series[index]


def _open(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    training = sorted(require_folder(folder).glob("*_TRAIN.tsv"))
    if len(training) != 1:
        raise UserError(f"{folder}: holds {len(training) or 'no'} files NAME_TRAIN.tsv, and a data set of the archive has one.")
    if split == "val":
        return None
    file = training[0] if split == "train" else training[0].with_name(training[0].name.replace("_TRAIN.tsv", "_TEST.tsv"))
    return UcrSeries(file, training[0], wanted)


def _require_possible(wanted: Wanted) -> None:
    sections("tasks: a data set of the UCR archive", wanted)
    require_variant("ucr", wanted, None)
    if wanted.goal != "classification":
        raise UserError(f"tasks: the data sets of the UCR archive are for classification, not for {wanted.goal}.")


DATASET = DatasetSpec(open=_open, require_possible=_require_possible, never_validates=True, modality="timeseries")
"""The entry point."""
