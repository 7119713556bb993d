"""Reader of point clouds in the HDF5 layout of ModelNet40.

`<split>_files.txt` lists HDF5 files, each with `data` (N, P, 3) and integer `label` (N, 1) or (N,); line k of `shape_names.txt`
names label k. Shape suffixes: N clouds, P points.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from m2pt.config import PointInput, UserError
from m2pt.modalities.point.decoding.hdf5 import require_written
from m2pt.modalities.shared.listings import read_list, require_unique
from m2pt.modalities.shared.samples import Samples, collect, member

CLASSES = "shape_names.txt"


def read(folder: Path, split: str, config: PointInput) -> Samples:
    """Read one split: the first `points` points of each cloud, centred and scaled so that the farthest is at distance 1 where
    the input section says so.

    Raises:
        UserError: a list or file is missing, empty or damaged, a dataset has the wrong shape or type, a label is unknown, a
            cloud has too few points, has a value that is no number, or is one single point; or clouds are to be thinned.

    """
    if config.thinned is not None:
        raise UserError("inputs.point.thinned: is for the published data sets of tasks; leave it out.")
    classes = read_list(folder / CLASSES)
    listing = folder / f"{split}_files.txt"
    clouds, labels = [], []
    names = [_relative(folder, line) for line in read_list(listing)]
    require_unique(names, listing)
    for name in names:
        path = member(folder, name, listing)
        points_NP3, label_N = _arrays(path)
        _check(path, points_NP3, label_N, classes, config)
        first_NP3 = points_NP3[:, : config.points]
        clouds.append(_normalise(path, first_NP3) if config.centred else first_NP3.astype(np.float32))
        labels.extend(label_N.reshape(-1).tolist())
    return collect(np.concatenate(clouds), labels, classes, listing)


def _relative(folder: Path, line: str) -> str:
    """ModelNet40's own lists hold paths from the folder above (`data/modelnet40.../x.h5`); the file name is what counts there."""
    return line if (folder / line).exists() else Path(line).name


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with h5py.File(path, "r") as file:
            for key in ("data", "label"):
                require_written(path, file, key)
            return file["data"][()], file["label"][()]
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: is no whole HDF5 file (truncated, damaged or of another format); restore the file.") from error


def _check(path: Path, points_NP3: NDArray[Any], label_N: NDArray[Any], classes: list[str], config: PointInput) -> None:
    if points_NP3.ndim != 3 or points_NP3.shape[2] != 3 or points_NP3.dtype.kind != "f":
        raise UserError(f"{path}: `data` is {points_NP3.dtype} of shape {points_NP3.shape}, not floats of shape (N, points, 3).")
    count = len(points_NP3)
    if label_N.shape not in ((count, 1), (count,)) or label_N.dtype.kind not in "iu":
        raise UserError(f"{path}: `label` is {label_N.dtype} of shape {label_N.shape}, not integers of shape ({count}, 1).")
    if points_NP3.shape[1] < config.points:
        raise UserError(f"{path}: clouds have {points_NP3.shape[1]} points, fewer than inputs.point.points ({config.points}).")
    outside = label_N[(label_N < 0) | (label_N >= len(classes))]
    if outside.size:
        raise UserError(f"{path}: label {outside[0]} is not among the {len(classes)} classes of {CLASSES}.")
    if not np.isfinite(points_NP3).all():
        cloud = int(np.flatnonzero(~np.isfinite(points_NP3).all(axis=(1, 2)))[0])
        raise UserError(f"{path}: cloud {cloud} has a coordinate that is no finite number; repair or remove it.")


def _normalise(path: Path, points_NP3: NDArray[Any]) -> NDArray[np.float32]:
    points = points_NP3.astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    radius_N = np.linalg.norm(points, axis=2).max(axis=1, initial=0.0)
    if (radius_N == 0).any():
        raise UserError(f"{path}: all points of cloud {int(np.argmin(radius_N))} coincide; repair or remove it.")
    scaled: NDArray[np.float32] = (points / radius_N[:, None, None]).astype(np.float32)
    return scaled
