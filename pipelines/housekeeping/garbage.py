"""What can be removed: its kind, its name, its size, and how it is removed so that a kill leaves no half of it in place."""

import itertools
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from pipelines.housekeeping.sizes import Size, size_of, why_left

REMOVED = ".removed"
"""Where a folder is moved before it is deleted, in the same room; what a kill leaves there, the next removal deletes."""


class Kind(StrEnum):
    """The kinds of what can be removed, in the order in which they are listed."""

    RUNS = "runs"
    CHECKPOINTS = "checkpoints"
    CACHE = "cache"
    SLURM = "slurm"
    MLFLOW = "mlflow"
    PREFECT = "prefect"


MEANING = {
    Kind.RUNS: "runs and encoders that the study does not declare, or that were repeated",
    Kind.CHECKPOINTS: "checkpoints of complete runs, and files whose writing was interrupted",
    Kind.CACHE: "decoded data, which are decoded again when a run needs them",
    Kind.SLURM: "scripts, results and output of the SLURM jobs of studies that have none in its queue",
    Kind.MLFLOW: "runs that are deleted in MLflow, and files of runs that its database does not know",
    Kind.PREFECT: "the history of flows that have ended, and the copy of Prefect's pages",
}


@dataclass(frozen=True)
class Garbage:
    """One thing that can be removed. `remove` raises OSError or `UserError` if it cannot be."""

    kind: Kind
    name: str
    note: str
    size: Size
    remove: Callable[[], None]


@dataclass
class Listing:
    """What can be removed, in the order of removal, and sentences about what is left alone and why."""

    garbage: list[Garbage] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def add_folder(self, kind: Kind, path: Path, room: Path, note: str, check: Callable[[], None] | None = None) -> None:
        """Add a folder below `room`; `check` raises `UserError` if it must not be removed after all."""

        def remove() -> None:
            if check is not None:
                check()
            discard(path, room)

        self._add(kind, path, note, remove)

    def add_file(self, kind: Kind, path: Path, note: str, remove: Callable[[], None] | None = None) -> None:
        """Add a file, removed by `remove` or simply deleted."""
        self._add(kind, path, note, remove or (lambda: path.unlink(missing_ok=True)))

    def _add(self, kind: Kind, path: Path, note: str, remove: Callable[[], None]) -> None:
        if reason := why_left(path):
            self.left.append(f"{path}: stays: {reason}.")
        else:
            self.garbage.append(Garbage(kind, str(path), note, size_of(path), remove))

    def add_rest(self, kind: Kind, room: Path) -> None:
        """Add what an interrupted removal below `room` has left."""
        for path in children(room / REMOVED):
            self.add_folder(kind, path, room, "left by a removal that was interrupted")

    def __iadd__(self, other: Self) -> Self:
        self.garbage += other.garbage
        self.left += other.left
        return self


def children(folder: Path) -> list[Path]:
    """What a folder holds, by name; nothing if it is absent, no folder, or a link."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(folder.iterdir())


def folders(places: Iterable[Path]) -> list[Path]:
    """The true folders among some paths: no links."""
    return [path for path in places if path.is_dir() and not path.is_symlink()]


def discard(path: Path, room: Path) -> None:
    """Delete a folder below `room`: at once under its own name, and then its content."""
    bin_ = room / REMOVED
    if path.parent != bin_:
        bin_.mkdir(exist_ok=True)
        names = itertools.chain([path.name], (f"{path.name}.{number}" for number in itertools.count(1)))
        target = next(place for name in names if not (place := bin_ / name).exists())
        path.rename(target)
        path = target
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with suppress(OSError):  # other things are still in it
        bin_.rmdir()
