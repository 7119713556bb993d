"""One's own files as a data set: `OwnFiles` is what a modality declares of them, `dataset_of` what a task opens."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from m2pt.config import FilesConfig, Goal, UserError, refuses_unknown
from m2pt.files.state import file_sha256
from m2pt.modalities.dataset import DatasetSpec
from m2pt.modalities.own.listing import OwnFile, classes_of, listed
from m2pt.modalities.own.splits import assigned
from m2pt.modalities.shared.listed import member
from m2pt.modalities.shared.wanted import Split, Wanted

if TYPE_CHECKING:
    from m2pt.modalities.shared.items import Items

GOALS: tuple[Goal, ...] = ("classification", "tagging")
"""What one's own files are for: a label each, or several."""


@dataclass(frozen=True)
class OwnSplit:
    """One split of one's own files: their paths below `folder`, and the numbers of the labels of each among `classes`."""

    split: Split
    folder: Path
    listed_in: Path
    names: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]

    def file(self, index: int) -> Path:
        """The file of one sample, whether it exists or not."""
        return self.folder / self.names[index]

    def member(self, index: int) -> Path:
        """The file of one sample. Raises `UserError` if it is missing or empty."""
        return member(self.folder, self.names[index], self.listed_in)


@dataclass(frozen=True)
class OwnFiles:
    """What a modality says of one's own files.

    `suffixes` are those of the files that it reads (in small letters), `items` reads a split of them, and `require_possible`
    checks what a task asks without its files, as `DatasetSpec.require_possible`. `sizes` are those of one file by their names
    with units, such as seconds, for the report.
    """

    suffixes: tuple[str, ...]
    items: "Callable[[OwnSplit, Wanted], Items]"
    require_possible: Callable[[Wanted], None]
    sizes: Callable[[Path], Mapping[str, float]] = lambda _: {}


def dataset_of(own: OwnFiles) -> DatasetSpec:
    """One's own files of a modality as a data set."""

    def open_own(folder: Path, split: Split, wanted: Wanted) -> "Items | None":
        part = own_split(folder, split, wanted.files or FilesConfig(), own.suffixes)
        return None if part is None else own.items(part, wanted)

    return DatasetSpec(open=open_own, require_possible=own.require_possible)


@refuses_unknown
def own_split(folder: Path, split: Split, config: FilesConfig, suffixes: Sequence[str]) -> OwnSplit | None:
    """The files of one split; None if no file is in it.

    Raises:
        UserError: the folder or the table is not of the form that docs/how-to/own-data.md describes, or splits share a group or a
            content.

    """
    files, splits = split_files(folder, config, suffixes)
    classes = classes_of(files)
    numbers = {label: number for number, label in enumerate(classes)}
    chosen = [file for file, place in zip(files, splits, strict=True) if place == split]
    if not chosen:
        return None
    labels = tuple(tuple(sorted(numbers[label] for label in file.labels)) for file in chosen)
    source = folder if config.table is None else folder / config.table
    return OwnSplit(split, folder, source, tuple(file.name for file in chosen), labels, classes)


def split_files(folder: Path, config: FilesConfig, suffixes: Sequence[str]) -> tuple[list[OwnFile], list[str]]:
    """All files, and the split of each. Raises as `own_split`."""
    files = listed(folder, config, suffixes)
    return files, assigned(files, _contents_of(folder, files), config)


def contradictions(folder: Path, config: FilesConfig, suffixes: Sequence[str]) -> list[tuple[OwnFile, OwnFile]]:
    """Files whose content an earlier file has with other labels, each after that file. Raises as `own_split`."""
    files = listed(folder, config, suffixes)
    contents, first, pairs = _contents_of(folder, files), dict[str, OwnFile](), list[tuple[OwnFile, OwnFile]]()
    for file in files:
        if (content := contents.get(file.name)) is not None:
            other = first.setdefault(content, file)
            pairs += [(other, file)] if set(other.labels) != set(file.labels) else []
    return pairs


def contradicted(pairs: Sequence[tuple[OwnFile, OwnFile]]) -> str | None:
    """What to say of `contradictions`; None of none."""
    if not pairs:
        return None
    (one, other), more = pairs[0], len(pairs) - 1
    labels = " and ".join(" with ".join(filter(None, (file.name, "+".join(file.labels)))) for file in (one, other))
    count = "a file has" if not more else f"{len(pairs)} files have"
    return (
        f"{count} the content of another one and another label{'' if not more else ', such as'}: {labels}; one of them is wrong"
    )


def _contents_of(folder: Path, files: Sequence[OwnFile]) -> Mapping[str, str]:
    names = tuple(file.name for file in files)
    return _contents(str(folder), names, tuple(map(_state, (f"{folder}/{name}" for name in names))))


@lru_cache(maxsize=4)
def _contents(folder: str, names: tuple[str, ...], states: "tuple[tuple[int, ...] | None, ...]") -> Mapping[str, str]:
    """A digest of each file that may be another's copy: a job opens each split of the same files, which are read once."""
    sizes: dict[int, list[str]] = {}
    for name, state in zip(names, states, strict=True):
        if state is not None and state[0]:
            sizes.setdefault(state[0], []).append(name)
    alike = [name for same in sizes.values() if len(same) > 1 for name in same]
    return {name: _content(Path(folder) / name) for name in alike}


def _state(path: str) -> tuple[int, ...] | None:
    """Size, times and inode of a file; None for one that is not there, which the reader of samples reports."""
    try:
        status = os.stat(path)  # noqa: PTH116  # of many files
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _content(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); fix its permissions or the disk.") from error
