"""What a folder or a table of somebody's own files is: its modality, its columns, its splits."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import MODALITIES, FilesConfig, Goal, Modality, UserError, refuses_unknown
from m2pt.modalities.own.dataset import contradicted, contradictions, split_files
from m2pt.modalities.own.listing import classes_of
from m2pt.modalities.own.tables import columns_of, separator_hint
from m2pt.modalities.registry import SPECS

TABLES = (".csv", ".tsv", ".parquet")

COLUMNS = {
    "file": ("file", "path", "filename", "file_name", "filepath", "wav", "audio", "image", "image_path", "video", "name"),
    "label": ("label", "class", "category", "target", "species", "labels", "tags", "y"),
    "split": ("split", "subset", "set", "partition"),
}  # fmt: skip
"""What columns are usually called, in small letters; the first that is there is meant."""

GROUPS = ("group", "patient", "patient_id", "subject", "subject_id", "speaker", "speaker_id", "session", "site", "recorder")
"""Columns that usually name what must not be in two splits."""

_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Target:
    """Somebody's own files: where they are, how they are listed and split, and what is in them."""

    name: str
    modality: Modality
    folder: Path
    goal: Goal
    files: FilesConfig
    counts: Mapping[str, int]
    classes: tuple[str, ...]
    contradicted: str | None = None
    """What is to say of equal files with different labels."""


@refuses_unknown
def target_of(path: Path, modality: Modality | None, given: Mapping[str, str], name: str | None = None) -> Target:
    """The target in a folder of class folders, or in the table at `path`.

    Args:
        path: the folder, or a table in the folder of its files.
        modality: that of the files, if it cannot be seen from their names.
        given: keys of `FilesConfig` with their values, for those that are not guessed or guessed wrong.
        name: what the study calls it; without it, the name of the folder.

    Raises:
        UserError: there is nothing at `path`, or its files are not of the form that docs/how-to/own-data.md describes.

    """
    if not path.exists():
        raise UserError(
            f"{path}: is missing; give the folder with a folder for each class, or a table in the folder of its files."
        )
    folder, table = (path, None) if path.is_dir() else (path.parent, path.name)
    if table is not None and path.suffix.lower() not in TABLES:
        raise UserError(f"{path}: is no folder and no table ({', '.join(TABLES)}); give the folder of its class folders.")
    kind = modality or modality_of(folder)
    config = FilesConfig.model_validate(dict(given) if table is None else {"table": table} | _columns(path, given))
    files, splits = split_files(folder, config, SPECS[kind].own().suffixes)
    return Target(
        name=name or _plain(folder.resolve().name),
        modality=kind,
        folder=folder,
        goal="classification" if config.separator is None else "tagging",
        files=config,
        counts=Counter(splits),
        classes=classes_of(files),
        contradicted=contradicted(contradictions(folder, config, SPECS[kind].own().suffixes)),
    )


def modality_of(folder: Path) -> Modality:
    """The modality of most files below a folder, by their names.

    Raises:
        UserError: no file is of a kind that is read here.

    """
    suffixes = {modality: spec.own().suffixes for modality, spec in SPECS.items()}
    counts = Counter[Modality]()
    looked_at = 0
    for _, _, names in os.walk(folder):
        for name in names:
            ending = os.path.splitext(name)[1].lower()  # noqa: PTH122  # of thousands
            if ending not in (".txt", ".csv"):  # which beside clouds are notes and tables
                counts.update(modality for modality, known in suffixes.items() if ending in known)
        looked_at += len(names)
        if looked_at > _LOOKED_AT:
            break
    if not counts:
        raise UserError(f"{folder}: holds no pictures, sounds, clouds or videos of a kind that is read here; see --modality.")
    return counts.most_common(1)[0][0]


def group_hint(path: Path, target: Target) -> str | None:
    """A column that may name groups though none is declared; None where there is none."""
    if target.files.table is None or target.files.group is not None:
        return None
    used = {target.files.file, target.files.label, target.files.split}
    return next((column for column in columns_of(path) if column.lower() in GROUPS and column not in used), None)


def _columns(table: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The columns of a table by what they hold, guessed from their names where they are not given."""
    columns = columns_of(table)
    by_role = {role: _named(columns, names) for role, names in COLUMNS.items()}
    for role in ("file", "label"):
        if role not in given and by_role[role] is None:
            known = ", ".join(map(repr, columns[:12]))
            raise UserError(
                f"{table}: which column has the {role}s is not clear; name it with --{role} (columns: {known})."
                + separator_hint(columns)
            )
    return {role: column for role, column in by_role.items() if column is not None} | dict(given)


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {column.lower(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _plain(name: str) -> str:
    """A name as study files take them."""
    kept = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_.-") else "-" for sign in name.lower()).strip("-._")
    return f"{kept}-files" if kept in MODALITIES else kept[:40].rstrip("-._") or "mine"  # a task has no name of a modality
