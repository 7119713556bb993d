"""Clouds in HDF5 files, `data` (N, P, 3) with labels: checked when a data set is opened, read row by row later.

Shape suffixes: N clouds of one file, P points.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.shared.listed import member
from m2pt.modalities.shared.listings import read_list, require_unique
from m2pt.modalities.shared.missing import exists

POINTS = "data"


class Rows:
    """The clouds of several HDF5 files, one after the other. Files are opened anew in each process, when first asked for."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]) -> None:
        self._paths = list(paths)
        self._ends = np.cumsum(counts)
        self._files: dict[Path, Any] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}, "_process": None}

    def name(self, index: int) -> str:
        """File and number of one cloud."""
        path, row = self._find(index)
        return f"{path}, cloud {row}"

    def file(self, index: int) -> Path:
        """The file of one cloud."""
        return self._find(index)[0]

    def read(self, index: int, key: str) -> NDArray[Any]:
        """One cloud's part of the dataset `key`.

        Raises:
            UserError: it cannot be read (any more).

        """
        path, row = self._find(index)
        try:
            values: NDArray[Any] = self._open(path)[key][row]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise UserError(f"{path}, cloud {row}: cannot be read (damaged or removed); restore the file.") from error
        return values

    def _find(self, index: int) -> tuple[Path, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._paths[number], index - (int(self._ends[number - 1]) if number else 0)

    def _open(self, path: Path) -> Any:
        if self._process != os.getpid():  # a handle of the process that this one was forked from must not be used
            self._files, self._process = {}, os.getpid()
        if path not in self._files:
            self._files[path] = h5py.File(path, "r")
        return self._files[path]


def listed_files(folder: Path, listing: Path) -> list[Path]:
    """The files that a list of the data set names, in its order.

    Published lists hold paths from the folder above (`data/modelnet40.../x.h5`); there only the file name counts.

    Raises:
        UserError: the list is missing, empty or names a file twice, or a file is missing or empty.

    """
    names = [line if exists(folder / line) else Path(line).name for line in read_list(listing)]
    require_unique(names, listing)
    return [member(folder, name, listing) for name in names]


def read_points(path: Path) -> NDArray[Any]:
    """All clouds of a file (N, P, 3), whose form `read_labels` has checked.

    Raises:
        UserError: the file is damaged.

    """
    with _opened(path) as file:
        points: NDArray[Any] = file[POINTS][()]
        return points


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path}: is not a complete HDF5 file (truncated, damaged or of another format); restore the file."
        ) from error


def read_labels(path: Path, key: str, *, each_point: bool, at_least: int = 1) -> NDArray[np.integer[Any]]:
    """The labels of a file: (N,), or (N, P) where each point has one. Checks the form of `data`, without reading it:
    clouds need `at_least` points.

    Raises:
        UserError: the file is damaged or of another form.

    """
    with _opened(path) as file:
        for name in (POINTS, key):
            require_written(path, file, name)
        labels: NDArray[Any] = file[key][()]
        shape = _require_clouds(path, file, at_least)
    accepted = (shape[:2],) if each_point else (shape[:1], (shape[0], 1))
    if labels.shape not in accepted or labels.dtype.kind not in "iu":
        raise UserError(f"{path}: `{key}` is {labels.dtype} of shape {labels.shape}, not integers of shape {accepted[0]}.")
    return labels if each_point else labels.reshape(-1)


def read_clouds(path: Path, at_least: int) -> NDArray[Any]:
    """All clouds of a file (N, P, 3), which needs no labels; each needs `at_least` points.

    Raises:
        UserError: the file is damaged or of another form.

    """
    with _opened(path) as file:
        require_written(path, file, POINTS)
        _require_clouds(path, file, at_least)
        points: NDArray[Any] = file[POINTS][()]
        return points


def _require_clouds(path: Path, file: Any, at_least: int) -> tuple[int, ...]:
    """The shape of `data`, whose form is checked."""
    shape, kind = file[POINTS].shape, file[POINTS].dtype
    if shape is None or len(shape) != 3 or shape[2] != 3 or kind.kind != "f" or 0 in shape:
        raise UserError(f"{path}: `{POINTS}` is {kind} of shape {shape}, not floats of shape (clouds, points, 3).")
    if shape[1] < at_least:
        raise UserError(f"{path}: clouds have {shape[1]} points, fewer than the input's points ({at_least}); lower that.")
    return tuple(shape)


def require_written(path: Path, file: Any, name: str) -> None:
    """Refuse a dataset that is not there, is not in this file, or was not written to its end: HDF5 reads zeros in its place.

    Raises:
        UserError: naming the file and the dataset.

    """
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        raise UserError(f"{path}: `{name}` is in another file; write it into this one.")
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise UserError(f"{path}: has no dataset {name!r}; a file of clouds holds `{POINTS}` and its labels.")
    if dataset.is_virtual or dataset.external:
        raise UserError(f"{path}: `{name}` is in another file; write it into this one.")
    if dataset.chunks is None:
        whole = dataset.id.get_storage_size() >= dataset.nbytes
    else:
        parts = [-(-side // part) for side, part in zip(dataset.shape, dataset.chunks, strict=True)]
        whole = dataset.id.get_num_chunks() == math.prod(parts)
    if not whole:
        raise UserError(f"{path}: `{name}` was not written to its end (HDF5 would read zeros there); restore the file.")


def require_labels(path: Path, key: str, labels: NDArray[np.integer[Any]], count: int) -> None:
    """Refuse labels that are not in 0 ... `count` - 1.

    Raises:
        UserError: naming the file and the first such label.

    """
    outside = labels[(labels < 0) | (labels >= count)]
    if outside.size:
        raise UserError(
            f"{path}: `{key}` has the label {outside.flat[0]}, but labels go from 0 to {count - 1}; restore the file."
        )
