"""Pictures with one label each, wherever their files are."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from m2pt.config import Goal, UserError
from m2pt.modalities.dataset import require_variant
from m2pt.modalities.image.decoding.pictures import read_picture
from m2pt.modalities.image.transforms.pictures import TestTransform, TrainTransform, sections
from m2pt.modalities.shared.items import Item, Items, seeded
from m2pt.modalities.shared.wanted import Wanted


class PictureItems(Items):
    """A split of labelled pictures: prepared as the recipe says, read one by one by a subclass.

    `labels` (N,) int64, or (N, K) float32 for tagging.
    """

    labels: Tensor

    def __init__(
        self, dataset: str, wanted: Wanted, classes: Sequence[str], labels: Tensor, goals: Sequence[Goal] = ("classification",)
    ) -> None:
        config, augment = sections(wanted, goals, dataset)
        self.classes = tuple(classes)
        self.labels = labels
        self.testing = TestTransform(config)
        self.training = None if augment is None else TrainTransform(config, augment)

    @abstractmethod
    def picture(self, index: int) -> Image.Image:
        """Read and decode one picture. Raises `UserError` naming the file."""

    def __len__(self) -> int:
        """How many pictures the split holds."""
        return len(self.labels)

    def train(self, index: int, seed: int) -> Item:
        """One picture, augmented: x (C, size, size), y () or (K,)."""
        picture = self.picture(index)
        if self.training is None:
            return {"x": self.testing(picture), "y": self.labels[index].clone()}
        with seeded(seed):
            return {"x": self.training(picture), "y": self.labels[index].clone()}

    def test(self, index: int) -> Item:
        """The centre of one picture as its one view: x (1, C, size, size), y () or (K,)."""
        return {"x": self.testing(self.picture(index))[None], "y": self.labels[index].clone()}


def views_of(path: Path, wanted: Wanted) -> list[Tensor]:
    """The one view of one picture in a file, as `PictureItems.test` makes it: (1, C, size, size). Raises `UserError` as there."""
    config, _ = sections(wanted, ("classification", "tagging"), str(path))
    return [TestTransform(config)(read_picture(path))[None]]


def require_every_class(classes: Sequence[str], labels_N: NDArray[np.int64], source: object) -> None:
    """Refuse a split in which a class has no picture: its folder may be lost, or its numbers may count from 1.

    Raises:
        UserError: naming `source` and the first such class.

    """
    counts = np.bincount(labels_N, minlength=len(classes))
    absent = np.flatnonzero(counts == 0)
    if len(absent):
        first = classes[absent[0]]
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UserError(f"{source}: has no picture of class {first!r}{more}; restore them (classes are numbered from 0).")


def require_pictures(dataset: str, wanted: Wanted, goals: Sequence[Goal] = ("classification",)) -> None:
    """Check the request to a data set of labelled pictures. Raises `UserError` if no files could satisfy it."""
    config, augment = sections(wanted, goals, dataset)
    require_variant(dataset, wanted, None)
    TestTransform(config)
    if augment is not None:
        TrainTransform(config, augment)
