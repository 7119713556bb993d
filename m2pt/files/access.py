"""Files that cannot be read or written: what to do, by the reason that the system gives."""

import errno
import os
from pathlib import Path

from m2pt.config import UserError

_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST)
"""A file is where a folder has to be: above the path, or, when a folder is made, at the path itself."""


def can_write(path: Path) -> bool:
    """Whether a file at `path` could be written or made, judged by the folder that it would be in, or by the nearest above it."""
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def unreadable(path: Path | str, error: OSError) -> UserError:
    """The error of a file that cannot be read."""
    if error.errno == errno.EISDIR:
        way_out = "it is a folder where a file has to be: name a file, or move the folder away"
    elif error.errno in _NO_FOLDER:
        way_out = "a file is where one of its folders has to be: correct the path, or move that file away"
    else:
        way_out = "fix its permissions"
    return UserError(f"{path}: cannot be read ({error.strerror}); {way_out}.")


def unwritable(path: Path | str, error: OSError) -> UserError:
    """The error of a file or folder that cannot be written."""
    return UserError(f"{path}: cannot be written ({error.strerror or error}); {way_to_write(error)}.")


def way_to_write(error: Exception) -> str:
    """What makes a file or folder writable, as the end of a sentence; a library's own error gives no reason."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EISDIR:
        return "a folder is where a file has to be: move it away, or choose another place"
    if number in _NO_FOLDER:
        return "a file is where a folder has to be: move it away, or choose another place"
    if number == errno.EROFS:
        return "its file system is read-only: choose another place, or make it writable"
    return "free space or fix permissions and rerun"
