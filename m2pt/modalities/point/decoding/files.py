"""The clouds in one file, in whichever form. Shape suffixes: Q points as stored."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.point.decoding.clouds import HDF5, SUFFIXES, read_cloud
from m2pt.modalities.point.decoding.hdf5 import read_clouds


def clouds_in(path: Path, at_least: int) -> list[NDArray[Any]]:
    """Every cloud of a file, (Q, 3) each: of HDF5 all in `data`, of any other form its one (`read_cloud`).

    Raises:
        UserError: the file is missing, damaged or of another form, or a cloud has fewer than `at_least` points.

    """
    if not path.is_file():
        raise UserError(f"{path}: is no file; name a file of point clouds.")
    if path.suffix.lower() in HDF5:
        return list(read_clouds(path, at_least))
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: is no file of point clouds ({', '.join(SUFFIXES)}).")
    points = read_cloud(path)
    if len(points) < at_least:
        raise UserError(f"{path}: has {len(points)} points, fewer than the input's points ({at_least}).")
    return [points]
