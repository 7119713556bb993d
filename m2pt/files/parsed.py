"""What was read from many small files, remembered in one: thousands of records are looked at again and again, and do not change.

A file is read again if its state is another one (`FileState`). As in git, a file that was changed just before it was read is not
remembered, since a change right after it could have the same time. A memory that is damaged, or of another form, is none, and to
delete it only costs time. It is written as a whole, by rename: of several writers the last one stays, and each is right.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.documents import write_atomic
from m2pt.files.state import state_of

_SETTLED_NS = 2_000_000_000
"""How long ago a file must have changed: longer than the coarsest clock of a file system takes for a tick."""


def parsed(memory: Path, form: int, files: Iterable[str], parse: Callable[[Path], Any]) -> dict[str, Any]:
    """What `parse` makes of each of the files that exist, by their paths.

    Args:
        memory: the file that remembers it; it forgets all other files.
        form: increase it with every change of `parse`.
        files: the paths.
        parse: reads a file and returns plain data; what it raises is raised here, and not remembered.

    """
    known = _recalled(memory, form)
    made: dict[str, Any] = {}
    kept: dict[str, tuple[list[int], Any]] = {}
    settled_ns = time.time_ns() - _SETTLED_NS
    for file in files:
        try:
            state = state_of(os.stat(file))  # noqa: PTH116  # of thousands of files
        except (FileNotFoundError, NotADirectoryError):
            continue
        entry = known.get(file)
        if entry is None or entry[0] != [*state]:
            entry = [*state], parse(Path(file))
        made[file] = entry[1]
        if state.changed_ns < settled_ns:
            kept[file] = entry
    if kept != known:
        _remember(memory, form, kept)
    return made


def _recalled(memory: Path, form: int) -> dict[str, tuple[list[int], Any]]:
    """What is remembered of each file: its state and what was made of it; equal values are one object."""
    try:
        document = json.loads(memory.read_bytes())
        values = document["values"]
        return (
            {path: (state, values[index]) for path, (state, index) in document["files"].items()}
            if document["form"] == form
            else {}
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return {}


def _remember(memory: Path, form: int, kept: Mapping[str, tuple[list[int], Any]]) -> None:
    places: dict[str, int] = {}
    values: list[Any] = []
    files = {}
    for path, (state, value) in kept.items():
        text = json.dumps(value)
        if text not in places:
            places[text] = len(values)
            values.append(value)
        files[path] = [state, places[text]]
    content = json.dumps({"form": form, "values": values, "files": files}).encode()
    with suppress(UserError):
        write_atomic(memory, content, durable=False)
