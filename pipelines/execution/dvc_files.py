"""The files on which it depends whether DVC says that nothing has changed: its own, and what the stages read and make."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from m2pt.files.state import FileState, state_of
from pipelines.planning.default_study import PIPELINE

_OWN = ("dvc.lock", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local")
_CACHE = Path(".dvc/cache/files/md5")


def states() -> dict[str, FileState] | None:
    """The state of each of them, by its path; None if they are not all known here.

    Folders count too, so that a file that is added or removed shows. Of DVC's cache only the folders count: what is in it, DVC
    trusts as well. Files that `.dvcignore` excludes are among them; if one of those changes, DVC is asked in vain.
    """
    try:
        named = [PIPELINE, *sorted(path for path in Path().glob("*.dvc") if path.is_file())]
        paths = {path for file in named for path in _paths(yaml.safe_load(file.read_text(encoding="utf-8")))}
        known: dict[str, FileState] = {}
        for path in [*map(os.fspath, named), *_OWN, *sorted(paths)]:
            _add(known, path)
        with os.scandir(_CACHE) as folders:
            return known | {folder.path: state_of(folder.stat()) for folder in folders}
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError):  # DVC says what is wrong
        return None


def _paths(document: Any) -> Iterator[str]:
    """What the stages of a `dvc.yaml`, or a `.dvc` file, read and make."""
    if "stages" not in document:
        yield from (entry["path"] for kind in ("deps", "outs") for entry in document.get(kind, ()))
    for stage in document.get("stages", {}).values():
        for kind in ("deps", "outs", "metrics", "plots"):
            yield from (next(iter(entry)) if isinstance(entry, dict) else entry for entry in stage.get(kind, ()))
        yield from (name for entry in stage.get("params", ()) if isinstance(entry, dict) for name in entry)


def _add(known: dict[str, FileState], path: str) -> None:
    """Add a file, or a folder with everything in it, unless it does not exist."""
    if path in known or not os.path.exists(path):  # noqa: PTH110  # of tens of thousands of files
        return
    known[path] = state_of(os.stat(path))  # noqa: PTH116
    pending, seen = [path] if os.path.isdir(path) else [], set()  # noqa: PTH112
    while pending:
        with os.scandir(pending.pop()) as members:
            for item in members:
                state = known[item.path] = state_of(item.stat())
                if item.is_dir() and (place := (state.device, state.inode)) not in seen:  # a link may lead back
                    seen.add(place)
                    pending.append(item.path)
