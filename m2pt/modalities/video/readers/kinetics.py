"""Kinetics in the lists that VideoMAE publishes: lines `path label` in `train.csv`, `val.csv` and `test.csv` beside the videos.

The published test list of Kinetics-400 is its validation list. So `test` reads `test.csv`, or `val.csv` where there is none; and
`val` reads `val.csv` only where that is another set of videos than `test`: nothing is selected on the videos that are tested.
"""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from m2pt.config import UserError, VideoAugment, VideoInput, refuses_unknown
from m2pt.modalities.items import Item, Items, Split, Wanted, copy_seed
from m2pt.modalities.listings import require_unique
from m2pt.modalities.missing import advice
from m2pt.modalities.samples import member, require_folder, visible
from m2pt.modalities.video.decoding import Frame, opened
from m2pt.modalities.video.lists import CLASSES, read_classes, read_entries
from m2pt.modalities.video.sampling import training_clip, view_clips
from m2pt.modalities.video.transforms import ClipAugment, crops_along, resize_short, to_clip

LISTS = ("train.csv", "val.csv", "test.csv")
SHORT_SIDE = 320
"""Videos with a longer shorter side are scaled down to it while they are decoded: the published preparation stores them so."""


@refuses_unknown
def open_kinetics(folder: Path, split: Split, wanted: Wanted) -> Items | None:
    """One split of the lists in `folder`; paths are relative to it, or absolute and inside of it; they may hold spaces.

    Line k (from 0) of `classes.txt`, or the column `name` of `kinetics_400_labels.csv` (`id,name`), names label k; without either
    file the classes are named by their numbers. Videos are read when a sample is asked for.

    Raises:
        UserError: a list is missing, empty or damaged, a label has no name, or the study asks for what Kinetics does not have.

    """
    config, augment = sections(folder, wanted)
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
    return KineticsItems(folder / name, listings[name], classes, config, augment, views)


def sections(source: Path | str, wanted: Wanted) -> tuple[VideoInput, VideoAugment | None]:
    """The input and augmentation that Kinetics is read with. Raises `UserError` where it does not have what is wanted."""
    config, augment = wanted.input, wanted.augment
    if wanted.goal != "classification" or wanted.variant is not None:
        asked = f"goal {wanted.goal}" if wanted.goal != "classification" else f"variant {wanted.variant!r}"
        raise UserError(f"{source}: the data set kinetics has no {asked}; it is there for classification, without variants.")
    if not isinstance(config, VideoInput) or not isinstance(augment, VideoAugment | None):
        raise UserError(f"{source}: the data set kinetics needs an input and augmentation of videos; choose a recipe for video.")
    return config, augment


class KineticsItems(Items):
    """The videos of one list. `views` are the numbers of clips and of crops that a sample is tested with."""

    def __init__(
        self,
        listing: Path,
        entries: Sequence[tuple[str, int]],
        classes: tuple[str, ...],
        config: VideoInput,
        augment: VideoAugment | None,
        views: tuple[int, int],
    ) -> None:
        self._listing, self._config, self._views = listing, config, views
        self._names = [name for name, _ in entries]
        self._augment = ClipAugment(augment, config) if augment else None
        self.classes = classes
        self.labels: Tensor = torch.tensor([label for _, label in entries])

    def __len__(self) -> int:
        """How many videos the list holds."""
        return len(self._names)

    def name(self, index: int) -> str:
        """The path of the video."""
        return str(self.file(index))

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._listing.parent / self._names[index]

    def train(self, index: int, seed: int) -> Item:
        """A clip (C, T, S, S) at a random place of the video, augmented; without augmentation, as it is tested in one view.

        Raises:
            UserError: the video is missing or cannot be decoded.

        """
        return self.copies(index, seed, (0,))[0]

    def copies(self, index: int, seed: int, numbers: Sequence[int]) -> list[Item]:
        """The copies are of one clip, which is decoded once: VideoMAE's repeated augmentation. Raises as `train`."""
        if self._augment is None:
            return [self._item(index, self._view(index, 1, 1)[0]) for _ in numbers]
        config = self._config
        generator = torch.Generator().manual_seed(seed)
        with opened(self._member(index)) as video:
            places = training_clip(_length(len(video)), config.frames, config.stride, generator)
            pictures = video.pick(places, video.upright(Converter(config)))
        frames = [pictures[place] for place in places]
        # The first copy draws on where the clip's place was drawn.
        draws = [torch.Generator().manual_seed(copy_seed(seed, number)) if number else generator for number in numbers]
        return [self._item(index, self._augment(frames, draw)) for draw in draws]

    def test(self, index: int) -> Item:
        """All views (V, C, T, S, S): clip by clip from the beginning to the end of the video, of each the crops in their order.

        Raises:
            UserError: the video is missing or cannot be decoded.

        """
        return self._item(index, self._view(index, *self._views))

    def _view(self, index: int, clips: int, crops: int) -> Tensor:
        config = self._config
        with opened(self._member(index)) as video:
            chosen = view_clips(_length(len(video)), config.frames, config.stride, clips)
            pictures = video.pick((place for clip in chosen for place in clip), video.upright(Converter(config)))
        resized = {place: resize_short(to_clip([picture]), config.size) for place, picture in pictures.items()}
        views = [
            view
            for clip in chosen
            for view in crops_along(torch.cat([resized[place] for place in clip], dim=1), config.size, crops)
        ]
        return torch.stack(views)

    def _member(self, index: int) -> Path:
        return member(self._listing.parent, self._names[index], self._listing)

    def _item(self, index: int, x: Tensor) -> Item:
        return {"x": x, "y": self.labels[index].clone()}


class Converter:
    """Makes of the decoded frames of one video pixels of one size, that of the first frame it sees, up to `SHORT_SIDE`."""

    def __init__(self, config: VideoInput) -> None:
        self._format = "gray" if config.channels == 1 else "rgb24"
        self._limit = max(SHORT_SIDE, config.size)
        self._size: tuple[int, int] | None = None
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Frame:
        """The pixels (H, W, 3), or (H, W) where the input is grey."""
        if self._size is None:
            scale = min(1.0, self._limit / min(frame.width, frame.height))
            self._size = (round(frame.width * scale), round(frame.height * scale))
        width, height = self._size
        way = Interpolation.BICUBIC if self._size != (frame.width, frame.height) else None
        converted = self._reformatter.reformat(frame, width=width, height=height, format=self._format, interpolation=way)
        return np.asarray(converted.to_ndarray(), dtype=np.uint8)


def _length(total: int) -> int:
    if total == 0:
        raise ValueError("the video has no frame")
    return total


def _entries(folder: Path, listing: Path) -> list[tuple[str, int]]:
    """Path, relative to the folder, and label of each line."""
    found = [(_relative(folder, name, f"{listing}: line {number}"), label) for number, name, label in read_entries(listing)]
    require_unique([name for name, _ in found], listing)
    return found


def _relative(folder: Path, name: str, place: str) -> str:
    """The path relative to the folder."""
    path = Path(name)
    if not path.is_absolute() and ".." not in path.parts:
        return visible(name, place)
    if ".." not in path.parts:
        for root in (folder.absolute(), folder.resolve()):
            if path.is_relative_to(root):
                return visible(str(path.relative_to(root)), place)
    raise UserError(f"{place} names {name!r}, which is outside the data folder; its videos must lie in {folder}.")


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
