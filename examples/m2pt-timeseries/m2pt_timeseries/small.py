"""Reader of small sets in memory: `pretrain.tsv`, `train.tsv`, `val.tsv` and `test.tsv`, each as the UCR archive has them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.shared.listed import Listed, listed, require_folder
from m2pt.modalities.shared.samples import Samples, collect
from m2pt_timeseries.section import TimeseriesInput
from m2pt_timeseries.series import fitted, read_labelled


def read(folder: Path, split: str, config: TimeseriesInput) -> Samples:
    """Read one split, in the order of its file.

    Raises:
        UserError: as `read_lists`; or a series has another number of channels than the input.

    """
    split_lists = read_lists(folder, split, config)
    return collect(read_file(_file(folder, split), config), split_lists.labels, split_lists.classes, _file(folder, split))


def read_file(path: Path, config: TimeseriesInput) -> NDArray[np.float32]:
    """The series in one file as `read` gives them: (N, C, L). Raises `UserError` if it is damaged."""
    rows = read_labelled(path)
    return np.stack([fitted(series, config, f"{path}, series {number}") for number, (_, series) in enumerate(rows, 1)])


def read_lists(folder: Path, split: str, config: TimeseriesInput) -> Listed:
    """The labels of one split, in the order of its file; the classes are those of the training split.

    Raises:
        UserError: a file is missing or damaged, or a label is none of the training split.

    """
    del config
    require_folder(folder)
    classes = classes_of(_file(folder, "train"))
    file = _file(folder, split)
    labels = [label for label, _ in read_labelled(file)]
    return listed([file] * len(labels), numbered(labels, classes, file), classes, file)


def classes_of(training: Path) -> tuple[str, ...]:
    """The labels in the file of the training split: by number where all are numbers, by name otherwise."""
    labels = {label for label, _ in read_labelled(training)}
    try:
        return tuple(sorted(labels, key=float))
    except ValueError:
        return tuple(sorted(labels))


def numbered(labels: list[str], classes: tuple[str, ...], source: Path) -> list[int]:
    """The numbers of labels among the classes. Raises `UserError` for a label that is none of them."""
    if unknown := sorted(set(labels) - set(classes)):
        raise UserError(f"{source}: has the label {unknown[0]!r}, which the training split has not; restore the files.")
    return [classes.index(label) for label in labels]


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.tsv"
