"""The fingerprint of a data folder: one SHA-256 that changes with any file of it. Computed once, then remembered."""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import UserError
from m2pt.identity import file_sha256
from m2pt.modalities.samples import require_folder
from m2pt.records import write_json

CACHE = Path(".m2pt/cache")
"""Where remembered fingerprints and decoded data lie unless told otherwise; deleting it costs time alone."""

_CLOCK_TICK_S = 0.02  # how coarse the time stamps of a file system may be


@dataclass(frozen=True)
class _Entry:
    """One file of a data folder: its path below the folder, and what changes whenever its content does."""

    name: str
    path: str
    state: tuple[int, int, int, int]


def fingerprint(folder: Path, cache: Path = CACHE) -> str:
    """SHA-256 over the sorted relative paths and contents of all files below a folder, dotfiles excepted.

    The result is remembered below `cache` beside size, inode and times (to the nanosecond) of every file, so that a second call
    reads no content. A change of content always changes the time of the last status change, which no program can set.

    Raises:
        UserError: the folder is missing or holds no file, or a file cannot be read.

    """
    require_folder(folder)
    try:
        entries = sorted(_entries(folder), key=lambda entry: entry.name)
        if not entries:
            raise UserError(f"{folder}: the data folder is empty; make the data or correct data.root.")
        state = hashlib.sha256(repr([(entry.name, entry.state) for entry in entries]).encode()).hexdigest()
        place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        memory = cache / "fingerprints" / f"{place}.json"
        if (known := _remembered(memory)).get("state") == state:
            return known["sha256"]
        _wait_for_clock(entries)
        total = hashlib.sha256()
        for entry in entries:
            total.update(os.fsencode(entry.name) + b"\0" + bytes.fromhex(file_sha256(Path(entry.path))))
    except OSError as error:
        raise UserError(f"{error.filename or folder}: cannot be read ({error.strerror}); mend its permissions.") from error
    write_json(memory, {"state": state, "sha256": total.hexdigest()})
    return total.hexdigest()


def _entries(folder: Path) -> Iterator[_Entry]:
    """All files below a folder; links are followed."""
    pending, seen = [(os.fspath(folder), "")], set()
    while pending:
        directory, prefix = pending.pop()
        status = Path(directory).stat()
        if (status.st_dev, status.st_ino) in seen:
            raise UserError(f"{directory}: the folder appears twice below {folder} (a link in a circle?); remove the link.")
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(directory) as members:
            for item in members:
                if item.name.startswith("."):
                    continue
                if item.is_dir():
                    pending.append((item.path, f"{prefix}{item.name}/"))
                    continue
                found = item.stat()
                if not stat.S_ISREG(found.st_mode):
                    raise UserError(f"{item.path}: is neither a file nor a folder; remove it from the data folder.")
                state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                yield _Entry(prefix + item.name, item.path, state)


def _remembered(memory: Path) -> dict[str, str]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and isinstance(known.get("sha256"), str) else {}


def _wait_for_clock(entries: list[_Entry]) -> None:
    """Let the file system's clock move on: a file written after this cannot bear the time of one that is hashed now."""
    newest = max(entry.state[2] for entry in entries) / 1e9
    if 0 <= time.time() - newest < _CLOCK_TICK_S:
        time.sleep(_CLOCK_TICK_S)
