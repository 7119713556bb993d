"""Reader of small sets of point clouds in the HDF5 layout of ModelNet40, as clouds in memory.

`<split>_files.txt` lists HDF5 files, each with `data` (N, P, 3) and integer `label` (N, 1) or (N,); line k of `shape_names.txt`
names label k. Shape suffixes: N clouds, P points.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2pt.config import PointInput, UserError
from m2pt.modalities.point.decoding.files import clouds_in
from m2pt.modalities.point.decoding.hdf5 import listed_files, read_labels, read_points, require_labels
from m2pt.modalities.shared.listed import Listed, listed
from m2pt.modalities.shared.listings import read_list
from m2pt.modalities.shared.samples import Samples, collect

CLASSES = "shape_names.txt"


def read(folder: Path, split: str, config: PointInput) -> Samples:
    """Read one split: the first `points` points of each cloud, centred and scaled so that the farthest is at distance 1 where
    the input section says so.

    Raises:
        UserError: as `read_lists`; or a cloud has a value that is no number, or is one single point.

    """
    split_lists = read_lists(folder, split, config)
    clouds: list[NDArray[np.float32]] = []
    for path in dict.fromkeys(split_lists.paths):
        clouds.append(_prepared(path, read_points(path), config))
    return collect(np.concatenate(clouds), split_lists.labels, split_lists.classes, folder / f"{split}_files.txt")


def read_file(path: Path, config: PointInput) -> NDArray[np.float32]:
    """The clouds of one file as `read` gives them: (N, P, 3). Raises `UserError` as `clouds_in`, and as `read` for a cloud."""
    return np.concatenate([_prepared(path, cloud_Q3[None], config) for cloud_Q3 in clouds_in(path, config.points)])


def _prepared(path: Path, points_NQ3: NDArray[Any], config: PointInput) -> NDArray[np.float32]:
    _require_finite(path, points_NQ3)
    first_NP3 = points_NQ3[:, : config.points]
    return _normalise(path, first_NP3) if config.centred else first_NP3.astype(np.float32)


def read_lists(folder: Path, split: str, config: PointInput) -> Listed:
    """The files and labels of the clouds of one split, in the order of its list.

    Raises:
        UserError: a list or file is missing, empty or damaged, a dataset has the wrong shape or type, a label is unknown, or a
            cloud has too few points; or clouds are to be thinned.

    """
    if config.thinned is not None:
        raise UserError("inputs.point.thinned: is for the published data sets of tasks; leave it out.")
    classes = read_list(folder / CLASSES)
    listing = folder / f"{split}_files.txt"
    paths: list[Path] = []
    labels: list[int] = []
    for path in listed_files(folder, listing):
        label_N = read_labels(path, "label", each_point=False, at_least=config.points)
        require_labels(path, "label", label_N, len(classes))
        paths += [path] * len(label_N)
        labels += label_N.tolist()
    return listed(paths, labels, classes, listing)


def _require_finite(path: Path, points_NP3: NDArray[Any]) -> None:
    if not np.isfinite(points_NP3).all():
        cloud = int(np.flatnonzero(~np.isfinite(points_NP3).all(axis=(1, 2)))[0])
        raise UserError(f"{path}: cloud {cloud} has a coordinate that is not a finite number; repair or remove it.")


def _normalise(path: Path, points_NP3: NDArray[Any]) -> NDArray[np.float32]:
    points = points_NP3.astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    radius_N = np.linalg.norm(points, axis=2).max(axis=1, initial=0.0)
    if (radius_N == 0).any():
        raise UserError(f"{path}: all points of cloud {int(np.argmin(radius_N))} coincide; repair or remove it.")
    scaled: NDArray[np.float32] = (points / radius_N[:, None, None]).astype(np.float32)
    return scaled
