"""The files to which the processes that a command starts write what they have to say."""

from pathlib import Path
from typing import BinaryIO

from m2pt.files.access import unwritable


def log_file(path: Path, anew: bool = False) -> BinaryIO:
    """Open a log to add to it, or `anew`. Raises `UserError` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb" if anew else "ab")
    except OSError as error:
        raise unwritable(path, error) from error
