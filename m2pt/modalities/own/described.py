"""What one's own files are: how many of each class are in each split, and how large they are."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from m2pt.config import FilesConfig, UserError
from m2pt.modalities.own.dataset import OwnFiles, contradicted, contradictions, split_files
from m2pt.modalities.own.listing import classes_of
from m2pt.modalities.shared.wanted import Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")

LOOKED_AT = 100
"""The sizes are those of at most so many files, evenly spaced in the order of their names: some have to be read whole."""


@dataclass(frozen=True)
class Spread:
    """The smallest, the middle and the largest of some numbers."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Described:
    """One's own files: `files` and `groups` of each split (no groups: None), the labels by class and split, and sizes by name.

    `looked_at` files were opened for the sizes, of which `unreadable` could not be.
    """

    files: Mapping[Split, int]
    groups: Mapping[Split, int] | None
    classes: Mapping[str, Mapping[Split, int]]
    sizes: Mapping[str, Spread]
    looked_at: int
    unreadable: int
    contradicted: str | None = None
    """What is to say of equal files with different labels."""


def described(folder: Path, config: FilesConfig, own: OwnFiles) -> Described:
    """Describe the files of a data set. Raises `UserError` as `m2pt.modalities.own.dataset.own_split`."""
    files, places = split_files(folder, config, own.suffixes)
    pairs = list(zip(files, places, strict=True))
    labels = Counter((label, place) for file, place in pairs for label in file.labels)
    groups = {place: len({file.group for file, other in pairs if other == place}) for place in SPLITS}
    chosen = files[:: -(-len(files) // LOOKED_AT)]
    known: list[Mapping[str, float]] = []
    for file in chosen:
        try:
            known.append(own.sizes(folder / file.name))
        except (UserError, OSError, ValueError, RuntimeError):  # a run says so, with the file
            continue
    names = dict.fromkeys(name for sizes in known for name in sizes)
    values = {name: sorted(sizes[name] for sizes in known if name in sizes) for name in names}
    return Described(
        files={split: places.count(split) for split in SPLITS},
        groups=groups if any(file.group is not None for file in files) else None,
        classes={label: {split: labels[label, split] for split in SPLITS} for label in classes_of(files)},
        sizes={name: Spread(each[0], median(each), each[-1]) for name, each in values.items()},
        looked_at=len(chosen),
        unreadable=len(chosen) - len(known),
        contradicted=contradicted(contradictions(folder, config, own.suffixes)),
    )
