"""Clouds in text files: one point a line, its numbers in columns."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError

_TAIL_BYTES = 2000  # more than two lines


def read_table(path: Path, columns: int, delimiter: str | None) -> NDArray[np.float64]:
    """The numbers of a file (lines, columns); `delimiter` None is white space.

    Raises:
        UserError: the file is missing, empty or cut, or a line does not hold that many numbers.

    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about an empty file, which is refused below
            table = np.loadtxt(path, dtype=np.float64, delimiter=delimiter, comments=None, ndmin=2, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); restore the file.") from error
    except ValueError as error:
        raise UserError(
            f"{path}, line {_faulty(path, columns, delimiter)}: is not a line of {columns} numbers; restore the file."
        ) from error
    if table.size == 0:
        raise UserError(f"{path}: holds no points; restore the file.")
    if is_cut(path, delimiter):
        raise UserError(
            f"{path}: seems to end within line {len(table)} (which has no end, and other decimals than the line before it); "
            "restore the file, or end that line where it is whole."
        )
    if table.shape[1] != columns:
        raise UserError(f"{path}: has {table.shape[1]} numbers a line, not {columns}; restore the file.")
    return table


def is_cut(path: Path, delimiter: str | None) -> bool:
    """Whether the last line has no end and its last number not as many decimals as the one above: it may have had more."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read().decode("utf-8", "replace")
    if tail.endswith(("\n", "\r")):
        return False
    lines = [line for line in tail.splitlines()[-2:] if line.strip()]
    decimals = [len(line.split(delimiter)[-1].strip().partition(".")[2]) for line in lines]
    return len(decimals) < 2 or decimals[0] != decimals[1]


def _faulty(path: Path, columns: int, delimiter: str | None) -> int:
    """The number of the first line that is not as it should be."""
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, start=1):
        values = line.split(delimiter)
        if not values or len(values) != columns or not all(_is_number(value) for value in values):
            return number
    return len(lines)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
