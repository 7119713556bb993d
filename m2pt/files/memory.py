"""What was once computed from files, remembered until one of them changes: fingerprints above all.

Each thing has a small file of its own, which says what it was computed from (`FileState`: device, inode, size, and the times of
the last changes) and the result. It is written as a whole, by rename: of several writers the last one stays, and each is right.
A memory that is damaged is none, and to delete one only costs time.

A change must not have the time stamps of what was remembered. So nothing is computed before the clock of the file system has
moved on (`wait_for_clock`): what is written from then on is another state. Only a clock that was set back, a disk that changes
what it holds, or a file server whose clock is wrong can fool this; `afresh` computes whatever is remembered.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from m2pt.files.documents import recalled_json, remember_json
from m2pt.files.state import FileState, file_sha256, state_of, wait_for_clock

CACHE = Path(".m2pt/cache")
"""The default folder of what is remembered, and of decoded data; deleting it only costs time."""


def remembered(
    memory: Path, files: Mapping[str, FileState], compute: Callable[[], str], *, beside: str = "", afresh: bool = False
) -> str:
    """What `compute` returns, from `memory` if it is there and was computed from the same.

    Args:
        memory: the file that remembers it.
        files: the files that it depends on, by any names, each with its state.
        compute: computes it.
        beside: what else it depends on.
        afresh: compute it whatever is remembered.

    """
    lines = [beside, *(f"{name!r}{tuple(state)}" for name, state in files.items())]
    state = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    known = None if afresh else _recalled(memory, state)
    if known is None:
        wait_for_clock(files.values())
        known = compute()
        remember_json(memory, {"state": state, "value": known})
    return known


def known_sha256(path: Path, cache: Path, *, afresh: bool = False) -> str:
    """SHA-256 of a file's content, remembered below `cache`. Raises OSError if it cannot be read."""
    return remembered(cache / "files" / place(path), {"": state_of(path.stat())}, lambda: file_sha256(path), afresh=afresh)


def place(path: Path) -> str:
    """The name of the memory of a file or folder: another one for each."""
    return f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}.json"


def _recalled(memory: Path, state: str) -> str | None:
    if (known := recalled_json(memory)) is None or known.get("state") != state:
        return None
    return value if isinstance(value := known.get("value"), str) else None
