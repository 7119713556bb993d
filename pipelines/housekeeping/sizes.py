"""How much space files take, and which must be left alone: links are never followed, and what others own is never touched."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """Bytes that a removal frees, and bytes that it does not because another place holds them too (hard links, as DVC makes)."""

    free: int = 0
    shared: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(self.free + other.free, self.shared + other.shared)


def in_words(count: int) -> str:
    """A number of bytes as people read it, with decimal prefixes: `83.1 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 999.95:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def size_of(path: Path) -> Size:
    """What the removal of a file or folder frees. Raises OSError if a folder in it cannot be read."""
    files = [status for status in _entries(path) if stat.S_ISREG(status.st_mode)]
    inside: dict[tuple[int, int], int] = {}
    for status in files:
        inside[_inode(status)] = inside.get(_inode(status), 0) + 1
    sizes = {_inode(status): status for status in files}
    free = sum(status.st_size for inode, status in sizes.items() if status.st_nlink <= inside[inode])
    return Size(free, sum(status.st_size for status in sizes.values()) - free)


def space_of(paths: list[Path], seen: set[tuple[int, int]]) -> int:
    """The bytes of files and folders that are not among those `seen`, to which they are added; 0 for what cannot be read."""
    total, folders = 0, list[str]()
    for path in paths:
        with suppress(OSError):
            status = path.lstat()
            total += _unseen(status, seen)
            folders += [os.fspath(path)] if stat.S_ISDIR(status.st_mode) else []
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as inside:
            for item in inside:
                if item.is_dir(follow_symlinks=False):
                    folders.append(item.path)
                elif item.is_file(follow_symlinks=False):  # its size alone has to be asked for
                    total += _unseen(item.stat(follow_symlinks=False), seen)
    return total


def _unseen(status: os.stat_result, seen: set[tuple[int, int]]) -> int:
    if _inode(status) in seen or not stat.S_ISREG(status.st_mode):
        return 0
    seen.add(_inode(status))
    return status.st_size


def why_left(path: Path) -> str | None:
    """Why a file or folder below the current folder must be left alone; None if it may be removed.

    Neither it nor a folder above it may be a link, and everything in it has to belong to this user and lie on one file system.
    """
    for place in (path, *path.parents):
        if place.is_symlink():
            return f"{place} is a link, which is not followed"
    try:
        first, *rest = _entries(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if any(status.st_uid != os.geteuid() for status in (first, *rest)):
        return "it belongs to another user, at least in part"
    if any(status.st_dev != first.st_dev for status in rest):
        return "another file system is mounted in it"
    return None


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _entries(path: Path) -> Iterator[os.stat_result]:
    """The status of a file or folder and of everything in it; links as such."""
    status = path.lstat()
    yield status
    pending = [os.fspath(path)] if stat.S_ISDIR(status.st_mode) else []
    while pending:
        with os.scandir(pending.pop()) as inside:
            for item in inside:
                status = item.stat(follow_symlinks=False)
                yield status
                if stat.S_ISDIR(status.st_mode):
                    pending.append(item.path)
