"""WebDataset shards: `<folder>/{train,val}/*.tar`, or `*train*.tar` and `*val*.tar` in one folder. Shape suffixes: N pictures.

Shards are read through an index (`tar_index`), so that any order is exact: nothing is shuffled in a buffer. As with class
folders, `val` is the test split here and validation data are held out of `train`.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.dataset import DatasetSpec
from m2pt.modalities.image.decoding.pictures import decode, read_content
from m2pt.modalities.image.decoding.tar_index import Shard, index_shard
from m2pt.modalities.image.items import PictureItems, require_every_class, require_pictures
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.listings import read_list
from m2pt.modalities.shared.missing import advice
from m2pt.modalities.shared.wanted import Split, Wanted

CLASSES = "classes.txt"
FOLDERS = {"train": ("train",), "test": ("val", "validation")}


class Shards(PictureItems):
    """One split; pictures in the order of the shards' names and of their members."""

    def __init__(self, wanted: Wanted, classes: list[str], shards: list[Shard]):
        super().__init__(
            "webdataset", wanted, classes, torch.from_numpy(np.concatenate([shard.labels_N for shard in shards]).astype(np.int64))
        )
        self.shards = shards
        self.ends = np.cumsum([len(shard.labels_N) for shard in shards])

    def name(self, index: int) -> str:
        """Shard and member of one picture."""
        shard, place = self._find(index)
        return _name(shard, place)

    def file(self, index: int) -> Path:
        """As `Items.file`: the shard."""
        return self._find(index)[0].path

    def picture(self, index: int) -> Image.Image:
        """Read one picture out of its shard. Raises `UserError` naming shard and member."""
        shard, place = self._find(index)
        content = read_content(shard.path, int(shard.offsets_N[place]), int(shard.sizes_N[place]))
        return decode(content, _name(shard, place))

    def _find(self, index: int) -> tuple[Shard, int]:
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.shards[number], index - (int(self.ends[number - 1]) if number else 0)


def _name(shard: Shard, place: int) -> str:
    return f"{shard.path}, member {bytes(shard.names_N[place]).decode('utf-8', 'replace')}"


@refuses_unknown
def open_webdataset(folder: Path, split: Split, wanted: Wanted) -> Shards | None:
    """Open the shards of `train`, or those of `val` as the test split; there is no split `val`.

    Classes are the lines of `classes.txt`, else the numbers from 0 to the largest in either split.

    Raises:
        UserError: shards are missing or damaged, or a label is no class: naming the shard.

    """
    require_folder(folder)
    if split == "val":
        return None
    shards = _index(_paths(folder, split))
    if (folder / CLASSES).is_file():
        classes = read_list(folder / CLASSES)
    else:
        others = _index(_paths(folder, "test" if split == "train" else "train"))
        classes = _numbers(shards + others)
    for shard in shards:
        if (wrong := np.flatnonzero(shard.labels_N >= len(classes))).size:
            place = int(wrong[0])
            raise UserError(
                f"{_name(shard, place)}: has the class {shard.labels_N[place]}, but {CLASSES} lists {len(classes)} (from 0); "
                "correct the list or the shard."
            )
    items = Shards(wanted, classes, shards)
    if split == "train":
        require_every_class(classes, items.labels.numpy(), folder / "train")
    # The test split is compared with the training split, whose index is in memory by then.
    _require_different(shards if split == "train" else [*_index(_paths(folder, "train")), *shards])
    return items


def _index(paths: list[Path]) -> list[Shard]:
    """The shards in their order; several at once, as the time goes into waiting for the disk."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(index_shard, paths))


def _numbers(shards: list[Shard]) -> list[str]:
    """The numbers of the classes, where nothing names them."""
    highest = max(shards, key=lambda shard: int(shard.labels_N.max()))
    count = 1 + int(highest.labels_N.max())
    if count > sum(len(shard.labels_N) for shard in shards):
        raise UserError(
            f"{highest.path}: has the class {count - 1}, more than there are pictures; name the classes in {CLASSES}."
        )
    return [str(number) for number in range(count)]


def _require_different(shards: list[Shard]) -> None:
    """Refuse a copy of a shard: its pictures would count twice, or be tested on after they were trained with."""
    seen: dict[tuple[bytes, ...], Path] = {}
    for shard in shards:
        content = tuple(part_N.tobytes() for part_N in (shard.names_N, shard.offsets_N, shard.sizes_N, shard.labels_N))
        if (before := seen.setdefault(content, shard.path)) != shard.path:
            raise UserError(f"{shard.path}: holds the same members as {before}; remove one of the two.")


def _paths(folder: Path, split: Split) -> list[Path]:
    """The shards of a split: all of them, from one place."""
    names = FOLDERS[split]
    homes = [folder / name for name in names if (folder / name).is_dir()]
    pattern = re.compile(rf"(^|[-_.])({'|'.join(names)})([-_.]|$)")
    places = {home: _shards(home) for home in homes}
    places[folder] = [path for path in _shards(folder) if pattern.search(path.name.split(".tar")[0])]
    filled = [paths for paths in places.values() if paths]
    if not filled:
        more = advice(folder, names[0])
        raise UserError(f"{folder}: has no shards of {names[0]}; they belong into {folder}/{names[0]}/*.tar{more}.")
    if len(filled) > 1:
        raise UserError(f"{folder}: has shards of {names[0]} at {filled[0][0]} and at {filled[1][0]}; keep one of the two.")
    _require_every_number(filled[0])
    return filled[0]


def _shards(home: Path) -> list[Path]:
    shards = sorted(
        path for path in home.iterdir() if re.search(r"^[^.].*\.(tar|tgz)(\.|$)", path.name.lower()) and path.is_file()
    )
    for path in shards:
        if path.suffix != ".tar":
            raise UserError(f"{path}: is not a plain .tar file; unpack the shard (gunzip), or remove what was not fetched whole.")
    return shards


def _require_every_number(paths: list[Path]) -> None:
    """Shards are numbered at the end of their names, which may also say how many there are; a gap is a shard that is lost."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for path in paths:
        if match := re.fullmatch(r"(.*?)(\d+)(?:-of-(\d+))?", path.stem):
            numbers.setdefault((match[1], match[3] or ""), []).append(int(match[2]))
    for (beginning, count), present in numbers.items():
        gap = sorted(set(range(min(present), max(present))) - set(present))
        if gap or (count and len(present) != int(count)):
            lost = f"the shard {beginning}{gap[0]} is missing" if gap else f"{len(present)} of {int(count)} shards are there"
            raise UserError(
                f"{paths[0].parent}: {lost} (numbers {min(present)} to {max(present)}); restore it, or number the shards anew."
            )


DATASET = DatasetSpec(open=open_webdataset, require_possible=partial(require_pictures, "webdataset"))
"""A form of storage, which has no size of its own."""
