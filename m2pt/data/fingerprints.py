"""The fingerprint of a data folder: one SHA-256 that changes with any file of it. Computed once, then remembered."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from m2pt.config import UserError
from m2pt.files.access import unreadable
from m2pt.files.memory import CACHE as CACHE
from m2pt.files.memory import place, remembered
from m2pt.files.state import FileState, file_sha256, state_of
from m2pt.modalities.shared.listed import require_folder

_NOTHING = bytes(32)
"""Stands for the content of a broken link: readers treat the file as absent."""

_FORM = 1
"""Increase this when fingerprints come to cover other files: it invalidates what was remembered before."""


class _Entry(NamedTuple):
    """One file of a data folder: its path below the folder, and what changes whenever its content does."""

    name: str
    path: str
    state: FileState
    dangling: bool = False


def fingerprint(folder: Path, cache: Path = CACHE, *, afresh: bool = False) -> str:
    """SHA-256 over the sorted relative paths and contents of all files below a folder, dotfiles excepted.

    The result is remembered below `cache` with the state of every file (`m2pt.files.memory`), so a second call reads no content,
    unless it is to be computed `afresh`.

    Raises:
        UserError: the folder is missing or empty, or a file cannot be read.

    """
    require_folder(folder)
    try:
        entries = sorted(_entries(folder))
        if not entries:
            raise UserError(f"{folder}: the data folder is empty; make the data or correct data.root.")
        memory, states = cache / "fingerprints" / place(folder), {entry.name: entry.state for entry in entries}
        return remembered(memory, states, partial(_computed, entries), beside=str(_FORM), afresh=afresh)
    except OSError as error:
        raise unreadable(error.filename or folder, error) from error


def _computed(entries: Iterable[_Entry]) -> str:
    total = hashlib.sha256()
    for entry in entries:
        content = _NOTHING if entry.dangling else bytes.fromhex(file_sha256(Path(entry.path)))
        total.update(os.fsencode(entry.name) + b"\0" + content)
    return total.hexdigest()


def _entries(folder: Path) -> Iterator[_Entry]:
    """All files below a folder; links are followed."""
    pending, seen = [(os.fspath(folder), "")], set()
    while pending:
        directory, prefix = pending.pop()
        status = Path(directory).stat()
        if (status.st_dev, status.st_ino) in seen:
            raise UserError(f"{directory}: the folder appears twice below {folder} (a circular link?); remove the link.")
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(directory) as members:
            for item in members:
                if item.name.startswith("."):
                    continue
                if _is_broken_link(item):
                    yield _Entry(prefix + item.name, item.path, state_of(item.stat(follow_symlinks=False)), dangling=True)
                    continue
                if item.is_dir():
                    pending.append((item.path, f"{prefix}{item.name}/"))
                    continue
                status = item.stat()
                if not stat.S_ISREG(status.st_mode):
                    raise UserError(f"{item.path}: is neither a file nor a folder; remove it from the data folder.")
                yield _Entry(prefix + item.name, item.path, state_of(status))


def _is_broken_link(item: "os.DirEntry[str]") -> bool:
    """Whether this is a broken link, as git-annex and DVC leave for content that was not fetched."""
    if not item.is_symlink():
        return False
    try:
        item.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return True
    return False
