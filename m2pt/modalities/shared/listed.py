"""What the lists of a data set say, and the checks of the files that they name.

Reading samples is another matter (`m2pt.modalities.shared.samples`): lists are read to plan, without what computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import UserError
from m2pt.modalities.shared.missing import is_file, spelling

SPLITS = ("pretrain", "train", "val", "test")


@dataclass(frozen=True)
class Listed:
    """What the lists of one split of small data say, before a sample is read: the file and the label of each, and the classes.

    A file that holds several samples stands once for each of them.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


def listed(paths: Sequence[Path], labels: Sequence[int], classes: Sequence[str], source: Path) -> Listed:
    """The samples that one split lists. Raises `UserError` as `require_all_classes`."""
    require_all_classes(labels, classes, source)
    return Listed(tuple(paths), tuple(labels), tuple(classes))


def require_all_classes(labels: Sequence[int], classes: Sequence[str], source: Path) -> None:
    """Refuse a split without a sample of each class. Raises `UserError`; `source` names the split."""
    if len(labels) == 0:
        raise UserError(f"{source}: holds no samples; a split needs at least one of each class.")
    present = set(labels)
    absent = [name for label, name in enumerate(classes) if label not in present]
    if absent:
        raise UserError(f"{source}: has no sample of {_listing(absent)}; every class of the data set needs one in every split.")


def _listing(names: Sequence[str]) -> str:
    noun = "class" if len(names) == 1 else "classes"
    return f"{noun} {', '.join(repr(name) for name in names[:5])}{' ...' if len(names) > 5 else ''}"


def require_folder(folder: Path) -> Path:
    """`folder` itself.

    Raises:
        UserError: it is missing or not a folder.

    """
    if not folder.is_dir():
        fault = "is a file where a folder of data is expected" if folder.exists() else "the data folder is missing"
        raise UserError(f"{folder}: {fault}; make the data or correct data.root.")
    return folder


def place(folder: Path, name: str, listed_in: Path | str) -> Path:
    """The path of a file that a list of the data set names, relative to the data folder; it need not exist.

    Raises:
        UserError: the fingerprint of the data does not cover it: it is outside the data folder, or below a dotfile's name.

    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"{listed_in}: names {name!r}, which is outside the data folder; paths must be relative to {folder}.")
    return folder / visible(name, str(listed_in))


def visible(name: str, listed_in: str) -> str:
    """The name itself. Raises `UserError` if it names a dotfile or a path through one: no fingerprint would cover that."""
    if "." in name and any(part.startswith(".") for part in Path(name).parts):
        raise UserError(f"{listed_in}: names {name!r}, and dotfiles belong to no data set; rename the file and the entry.")
    return name


def member(folder: Path, name: str, listed_in: Path) -> Path:
    """The path of a file that a list of the data set names, relative to the data folder.

    Raises:
        UserError: as `place`; or the file is missing or empty.

    """
    path = place(folder, name, listed_in)
    if not is_file(path):
        more = spelling(folder, name)
        raise UserError(f"{path}: is missing, though {listed_in.name} lists it; restore the file or remove the entry{more}.")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty (0 bytes); restore the file.")
    return path
