"""Kinetics in the lists that VideoMAE publishes: lines `path label` in `train.csv`, `val.csv` and `test.csv` next to the videos.

The published test list of Kinetics-400 is its validation list. So `test` reads `test.csv`, or `val.csv` where there is none; and
`val` reads `val.csv` only where that is another set of videos than `test`: nothing is selected on the videos that are tested.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetFacts, DatasetSpec
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.listed import require_folder, visible
from m2pt.modalities.shared.listings import require_unique
from m2pt.modalities.shared.missing import advice
from m2pt.modalities.shared.wanted import Split, Wanted
from m2pt.modalities.video.decoding.lists import CLASSES, read_classes, read_entries
from m2pt.modalities.video.items import VideoItems, sections

NAME = "kinetics"
LISTS = ("train.csv", "val.csv", "test.csv")


@refuses_unknown
def open_kinetics(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """One split of the lists in `folder`; paths are relative to it, or absolute and inside of it; they may hold spaces.

    Line k (from 0) of `classes.txt`, or the column `name` of `kinetics_400_labels.csv` (`id,name`), names label k; without either
    file the classes are named by their numbers. Videos are read when a sample is asked for.

    Raises:
        UserError: a list is missing, empty or damaged, a label has no name, or the study asks for what Kinetics does not have.

    """
    read_with = sections(folder, wanted, NAME)
    listings = {name: _entries(folder, folder / name) for name in LISTS if (require_folder(folder) / name).exists()}
    tested = "test.csv" if "test.csv" in listings else "val.csv"
    name = {"train": "train.csv", "val": "val.csv", "test": tested}[split]
    if split == "val" and (name not in listings or _paths(listings[name]) == _paths(listings[tested])):
        return None
    if name not in listings:
        more = advice(folder, name)
        raise UserError(f"{folder / name}: is missing; the data set kinetics lists its videos there as lines `path label`{more}.")
    classes = _classes(folder, listings)
    views = (wanted.test.clips, wanted.test.crops) if split == "test" else (1, 1)
    names, labels = zip(*listings[name], strict=True)
    return VideoItems(folder, folder / name, names, torch.tensor(labels), classes, read_with, views)


def _entries(folder: Path, listing: Path) -> list[tuple[str, int]]:
    """Path, relative to the folder, and label of each line."""
    entries = [(_relative(folder, name, f"{listing}: line {number}"), label) for number, name, label in read_entries(listing)]
    require_unique([name for name, _ in entries], listing)
    return entries


def _relative(folder: Path, name: str, place: str) -> str:
    """The path relative to the folder."""
    path = Path(name)
    if not path.is_absolute() and ".." not in path.parts:
        return visible(name, place)
    if ".." not in path.parts:
        for root in (folder.absolute(), folder.resolve()):
            if path.is_relative_to(root):
                return visible(str(path.relative_to(root)), place)
    raise UserError(f"{place} names {name!r}, which is outside the data folder; its videos must be in {folder}.")


def _paths(entries: Sequence[tuple[str, int]]) -> set[str]:
    return {name for name, _ in entries}


def _classes(folder: Path, listings: dict[str, list[tuple[str, int]]]) -> tuple[str, ...]:
    """The names of all labels, the same for every split."""
    highest = {name: max(label for _, label in entries) for name, entries in listings.items()}
    named = read_classes(folder)
    if named is None:
        labels = {label for entries in listings.values() for _, label in entries}
        lacking = next(label for label in range(len(labels) + 1) if label not in labels)
        if lacking < len(labels):
            raise UserError(
                f"{folder}: no list has a video with label {lacking}, though labels go up to {max(labels)}; labels count from 0: "
                f"correct the lists, or name all classes in {CLASSES}."
            )
        return tuple(str(label) for label in range(len(labels)))
    source, names = named
    for name, label in highest.items():
        if label >= len(names):
            raise UserError(f"{folder / name}: has label {label}, but {source.name} names only {len(names)} classes (from 0 on).")
    return tuple(names)


def _require_possible(wanted: Wanted) -> None:
    sections(NAME, wanted, NAME)


# Links die: copies differ by a few per cent.
_FACTS = DatasetFacts(240_436, None, 19_796, 400, "Kinetics-400 (arXiv 1705.06950) as MMAction2 lists its copy")

DATASET = DatasetSpec(open=open_kinetics, require_possible=_require_possible, facts={None: _FACTS})
