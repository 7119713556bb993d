"""Videos with one label each, decoded when a sample is requested.

Shape suffixes: V views, C channels, T frames, H height, W width, S the model's size.
"""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from m2pt.config import Goal, UserError, VideoAugment, VideoInput
from m2pt.modalities.shared.items import Item, Items, copy_seed
from m2pt.modalities.shared.listed import member
from m2pt.modalities.shared.wanted import Wanted
from m2pt.modalities.video.decoding.videos import Frame, opened
from m2pt.modalities.video.transforms.clips import ClipAugment, crops_along, resize_short, to_clip
from m2pt.modalities.video.transforms.sampling import training_clip, view_clips

SHORT_SIDE = 320
"""Videos with a longer shorter side are scaled down to it while they are decoded: the published preparation stores them so."""


VideoWanted = tuple[VideoInput, VideoAugment | None]
"""The input and the augmentation with which videos are read."""


def sections(source: Path | str, wanted: Wanted, dataset: str, goals: Sequence[Goal] = ("classification",)) -> VideoWanted:
    """The input and augmentation that a data set is read with. Raises `UserError` where it does not have what is wanted."""
    config, augment = wanted.input, wanted.augment
    if wanted.goal not in goals or wanted.variant is not None:
        asked = f"goal {wanted.goal}" if wanted.goal not in goals else f"variant {wanted.variant!r}"
        raise UserError(f"{source}: the data set {dataset} has no {asked}; it is for {' or '.join(goals)} and has no variants.")
    if not isinstance(config, VideoInput) or not isinstance(augment, VideoAugment | None):
        raise UserError(f"{source}: the data set {dataset} needs an input and augmentation of videos; choose a recipe for video.")
    return config, augment


class VideoItems(Items):
    """Videos by their names below `folder`; `listed_in` is what lists them (for messages).

    `labels` (N,) int64, or (N, K) float32 for tagging. `views` are the numbers of clips and crops that a sample is tested with.
    """

    labels: Tensor

    def __init__(
        self,
        folder: Path,
        listed_in: Path,
        names: Sequence[str],
        labels: Tensor,
        classes: tuple[str, ...],
        wanted: VideoWanted,
        views: tuple[int, int],
    ) -> None:
        self._folder, self._listed_in, self._names, self._views = folder, listed_in, list(names), views
        self._config, augment = wanted
        self._augment = ClipAugment(augment, self._config) if augment else None
        self.classes = classes
        self.labels = labels

    def __len__(self) -> int:
        """How many videos the list holds."""
        return len(self._names)

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._folder / self._names[index]

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
        # The first copy continues with the generator from which the clip's place was drawn.
        draws = [torch.Generator().manual_seed(copy_seed(seed, number)) if number else generator for number in numbers]
        return [self._item(index, self._augment(frames, draw)) for draw in draws]

    def test(self, index: int) -> Item:
        """All views (V, C, T, S, S): clip by clip from the beginning to the end of the video, of each the crops in their order.

        Raises:
            UserError: the video is missing or cannot be decoded.

        """
        return self._item(index, self._view(index, *self._views))

    def _view(self, index: int, clips: int, crops: int) -> Tensor:
        return _views(self._member(index), self._config, clips, crops)

    def _member(self, index: int) -> Path:
        return member(self._folder, self._names[index], self._listed_in)

    def _item(self, index: int, x: Tensor) -> Item:
        return {"x": x, "y": self.labels[index].clone()}


def views_of(path: Path, wanted: Wanted) -> list[Tensor]:
    """The views of one video in a file, as `VideoItems.test` makes them: (V, C, T, S, S). Raises `UserError` as there."""
    if not isinstance(wanted.input, VideoInput):
        raise UserError(f"{path}: a video needs an input of the kind video; choose a recipe for video.")
    return [_views(path, wanted.input, wanted.test.clips, wanted.test.crops)]


def _views(path: Path, config: VideoInput, clips: int, crops: int) -> Tensor:
    """Clip by clip, of each the crops in their order."""
    with opened(path) as video:
        chosen = view_clips(_length(len(video)), config.frames, config.stride, clips)
        pictures = video.pick((place for clip in chosen for place in clip), video.upright(Converter(config)))
    resized = {place: resize_short(to_clip([picture]), config.size) for place, picture in pictures.items()}
    views = [
        view for clip in chosen for view in crops_along(torch.cat([resized[place] for place in clip], dim=1), config.size, crops)
    ]
    return torch.stack(views)


class Converter:
    """Converts the decoded frames of one video to pixels of one size, that of the first frame, up to `SHORT_SIDE`."""

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
