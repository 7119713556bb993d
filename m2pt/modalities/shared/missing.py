"""Advice about a name that is missing: where it seems to be."""

import errno
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from m2pt.config import UserError

_DEPTH, _FOLDERS = 3, 500  # how deep archives nest their content, and how many folders are searched at most


def is_file(path: Path) -> bool:
    """Whether the file exists; False for a name longer than a file's can be."""
    return _asked(path.is_file)


def exists(path: Path) -> bool:
    """Whether anything exists there; False for a name longer than a file's can be."""
    return _asked(path.exists)


def _asked(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def needed(folder: Path, name: str) -> Path:
    """The path of a file or folder that a data set cannot do without.

    Raises:
        UserError: it is missing; the message names a nearby folder that holds it, or a name that differs only in its spelling.

    """
    path = folder / name
    if not path.exists():
        raise UserError(f"{path}: is missing; the data set needs it{advice(folder, name)}.")
    return path


def advice(folder: Path, name: str) -> str:
    """The end of a sentence about `name`, which is not in `folder`: where it seems to be; empty if it is nowhere near."""
    if said := spelling(folder, name):
        return said
    if home := _home(folder, name):
        return f"; {home} holds it: let the path lead there"
    return ""


def spelling(folder: Path, name: str) -> str:
    """As `advice`, but only for names in that same folder."""
    if alike := _alike(folder, name):
        return f"; {alike} is there, which differs in capitals or in the form of its letters: rename it, or correct the list"
    return ""


def _alike(folder: Path, name: str) -> Path | None:
    """The entry in `folder` whose name reads the same."""
    here, changed = folder, False
    for part in Path(name).parts:
        if exists(here / part):
            here = here / part
            continue
        try:
            same = [entry for entry in os.listdir(here) if _reading(entry) == _reading(part)]  # noqa: PTH208 (names alone)
        except OSError:
            return None
        if len(same) != 1:
            return None
        here, changed = here / same[0], True
    return here if changed else None


def _reading(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _home(folder: Path, name: str) -> Path | None:
    """The only folder up to three levels below, or the one above, that holds `name`."""
    holders, level, seen = [], [folder], 0
    for _ in range(_DEPTH):
        children: list[Path] = []
        for parent in level[: _FOLDERS - seen]:
            seen += 1
            children += _folders(parent)
        holders += [child for child in children if exists(child / name)]
        if holders:
            return holders[0] if len(holders) == 1 else None
        level = children
    return folder.parent if exists(folder.parent / name) else None


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return sorted(Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        return []
