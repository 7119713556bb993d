"""The clouds in one file, in whichever form: HDF5, or text with a point a line. Shape suffixes: Q points as stored."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from m2pt.config import UserError
from m2pt.modalities.point.decoding.hdf5 import read_clouds
from m2pt.modalities.point.decoding.text import read_table

HDF5 = (".h5", ".hdf5")
TEXT = (".txt", ".csv", ".xyz", ".pts")


def clouds_in(path: Path, at_least: int) -> list[NDArray[Any]]:
    """Every cloud of a file, (Q, 3) each: of HDF5 those in `data`, of text the first three columns.

    Raises:
        UserError: the file is missing, damaged or of another form, or a cloud has fewer than `at_least` points.

    """
    if not path.is_file():
        raise UserError(f"{path}: is no file; name a file of point clouds.")
    if path.suffix.lower() in HDF5:
        return list(read_clouds(path, at_least))
    if path.suffix.lower() not in TEXT:
        raise UserError(f"{path}: is no file of point clouds ({', '.join((*HDF5, *TEXT))}).")
    with path.open("rb") as file:
        first = file.readline().decode("utf-8", "replace")
    delimiter = "," if "," in first else None
    columns = len(first.split(delimiter))
    if columns < 3:
        raise UserError(f"{path}: has {columns} numbers in its first line; a point has three coordinates.")
    table = read_table(path, columns, delimiter)
    if len(table) < at_least:
        raise UserError(f"{path}: has {len(table)} points, fewer than the input's points ({at_least}).")
    return [table[:, :3]]
