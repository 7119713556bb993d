"""One's own files as they are listed: by class folders, or by the rows of a table."""

import os
import posixpath
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from m2pt.config import FilesConfig, UserError
from m2pt.modalities.own.tables import Row, read_rows
from m2pt.modalities.shared.listed import place, require_folder
from m2pt.modalities.shared.missing import spelling

NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders and columns call the splits, in small letters."""

_LITTER = ("thumbs.db", "desktop.ini")
"""Files that file managers leave in folders of pictures."""


class OwnFile(NamedTuple):
    """One file: its path below the folder, its labels, and its split and group where they are given.

    `where` is what a message about it names: the file itself, or the line of the table.
    """

    name: str
    labels: tuple[str, ...]
    split: str | None
    group: str | None
    where: str


def listed(folder: Path, config: FilesConfig, suffixes: Sequence[str]) -> list[OwnFile]:
    """The files of a data set, in the order of their names; `suffixes` are those that the modality's files have.

    Raises:
        UserError: there are none, or the folder or the table is not of the form that docs/how-to/own-data.md describes.

    """
    require_folder(folder)
    files = sorted(_of_folders(folder, config, suffixes) if config.table is None else _of_table(folder, config, suffixes))
    if not files:
        raise UserError(f"{folder}: holds no files; put those of each class into a folder of its own, or list them in a table.")
    for file, other in pairwise(files):
        if file.name == other.name:
            raise UserError(f"{other.where}: names {other.name!r}, as {file.where} does; remove one of the rows.")
    return files


def _of_folders(folder: Path, config: FilesConfig, suffixes: Sequence[str]) -> Iterator[OwnFile]:
    """`CLASS/...` or `SPLIT/CLASS/...`; folders within a class are gone through."""
    top = _entries(folder)
    splits = {entry.name: split for entry in top if (split := NAMES.get(entry.name.lower())) is not None and entry.is_dir()}
    if "train" not in splits.values():
        if splits:
            raise UserError(
                f"{folder}: has a folder {next(iter(splits))!r}, as if files were split, and none called train; name that of "
                "the training files train, or list the files in a table if it is a class."
            )
        yield from _classes(folder, "", None, top, config, suffixes)
        return
    for entry in top:
        if entry.name not in splits:
            raise UserError(
                f"{entry.path}: is next to the folder of the training split; with splits in folders, every class folder belongs "
                "into train, val or test."
            )
    called: dict[str, str] = {}
    for name, split in splits.items():
        if (before := called.setdefault(split, name)) != name:
            raise UserError(f"{folder}: has the folders {before!r} and {name!r}, which both mean the split {split}; keep one.")
        yield from _classes(folder, f"{name}/", split, _entries(folder / name), config, suffixes)


def _classes(
    folder: Path,
    prefix: str,
    split: str | None,
    entries: Sequence["os.DirEntry[str]"],
    config: FilesConfig,
    suffixes: Sequence[str],
) -> Iterator[OwnFile]:
    for entry in entries:
        if not entry.is_dir():
            raise UserError(f"{entry.path}: is next to the class folders; put it into the folder of its class, or elsewhere.")
        count = 0
        for name in _below(entry.path, f"{prefix}{entry.name}/"):
            _require_suffix(folder / name, name, suffixes)
            yield OwnFile(name, (entry.name,), split, _group_of(name, config), str(folder / name))
            count += 1
        if not count:
            raise UserError(f"{entry.path}: is a class folder without a file; fill or remove it.")


def _group_of(name: str, config: FilesConfig) -> str | None:
    if config.group_until is None:
        return None
    base = posixpath.basename(name)
    group, mark, _ = base.partition(config.group_until)
    if not mark:
        raise UserError(
            f"{name}: has no {config.group_until!r} in its name, which files.group_until takes its group from; rename it."
        )
    return group


def _entries(folder: Path | str) -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _LITTER]
    return sorted(kept, key=lambda entry: entry.name)


def _below(folder: str, prefix: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    for entry in _entries(folder):
        if entry.is_dir():
            if (place := os.path.realpath(entry.path)) in above or f"{os.path.realpath(folder)}/".startswith(f"{place}/"):
                raise UserError(f"{entry.path}: leads back to a folder above it (a circular link?); remove the link.")
            yield from _below(entry.path, f"{prefix}{entry.name}/", (*above, place))
        else:
            yield f"{prefix}{entry.name}"


def _require_suffix(where: Path | str, name: str, suffixes: Sequence[str]) -> None:
    if not name.isprintable():
        raise UserError(
            f"{where}: has characters in its name that are not text (in UTF-8) or not seen; rename the file or folder."
        )
    if not name.lower().endswith(tuple(suffixes)):
        raise UserError(f"{where}: is not of a kind that is read here ({', '.join(suffixes)}); convert it or take it away.")


def _of_table(folder: Path, config: FilesConfig, suffixes: Sequence[str]) -> Iterator[OwnFile]:
    if config.table is None:
        raise ValueError("no table is named")
    table = place(folder, config.table, folder)
    if not table.is_file():
        raise UserError(f"{table}: is missing; it lists the files of the data set{spelling(folder, config.table)}.")
    wanted = [name for name in (config.file, config.label, config.split, config.group) if name is not None]
    for row in read_rows(table, wanted):
        where = f"{table}, line {row.number}"
        name = posixpath.normpath(_value(row, config.file, where).replace("\\", "/"))
        place(folder, _relative(name, folder, where), where)
        _require_suffix(f"{where}: {name}", name, suffixes)
        yield OwnFile(name, _labels(row, config, where), _split(row, config, where), _group(row, config, where), where)


def _relative(name: str, folder: Path, where: str) -> str:
    """The name itself. Raises `UserError` with the name to write for a file of the folder that is named from the root."""
    within = Path(name).relative_to(folder.absolute()) if Path(name).is_relative_to(folder.absolute()) else None
    if within is not None:
        raise UserError(f"{where}: names {name!r}; write its path below {folder}: {within.as_posix()!r}.")
    return name


def _value(row: Row, column: str, where: str) -> str:
    if not (value := row.values[column]):
        raise UserError(f"{where}: has no {column}; fill it in or remove the row.")
    return value


def _labels(row: Row, config: FilesConfig, where: str) -> tuple[str, ...]:
    if config.separator is None:
        return (_value(row, config.label, where),)
    labels = [label.strip() for label in row.values[config.label].split(config.separator)]
    return tuple(dict.fromkeys(label for label in labels if label))


def _split(row: Row, config: FilesConfig, where: str) -> str | None:
    if config.split is None:
        return None
    value = _value(row, config.split, where)
    if (split := NAMES.get(value.lower())) is None:
        raise UserError(f"{where}: {config.split} is {value!r}; it must be train, val or test.")
    return split


def _group(row: Row, config: FilesConfig, where: str) -> str | None:
    return None if config.group is None else _value(row, config.group, where)


def classes_of(files: Sequence[OwnFile]) -> tuple[str, ...]:
    """The labels of all files in their order: by number where all are whole numbers, by name otherwise."""
    labels = {label for file in files for label in file.labels}
    numbered = all(label.isascii() and label.isdecimal() and len(label) < 10 for label in labels)
    key: Any = (lambda label: (int(label), label)) if numbered else None
    return tuple(sorted(labels, key=key))
