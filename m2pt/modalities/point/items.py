"""Clouds with one label each, or with one for each point, wherever their files are.

Shapes: N clouds, Q points as stored, P points that the model sees.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2pt.config import Goal, UserError
from m2pt.modalities.point.decoding.files import clouds_in
from m2pt.modalities.point.decoding.hdf5 import POINTS, Rows
from m2pt.modalities.point.transforms.clouds import CloudTransform, cloud_transform, part_transform, prepared
from m2pt.modalities.shared.items import Item, Items, seeded
from m2pt.modalities.shared.wanted import Wanted
from m2pt.runs.identity import derived_seed


class CloudItems(Items):
    """A split of labelled clouds: prepared as the recipe says, read one by one by a subclass.

    `labels` (N,) int64, or (N, K) float32 for tagging.
    """

    labels: Tensor

    def __init__(
        self, dataset: str, wanted: Wanted, classes: Sequence[str], labels: Tensor, goals: Sequence[Goal] = ("classification",)
    ) -> None:
        self.transform = cloud_transform(wanted, dataset, goals)
        self.classes = tuple(classes)
        self.labels = labels

    @abstractmethod
    def points(self, index: int) -> NDArray[Any]:
        """Read one cloud (Q, 3) with Q ≥ P. Raises `UserError` naming the file."""

    def __len__(self) -> int:
        """How many clouds the split holds."""
        return len(self.labels)

    def train(self, index: int, seed: int) -> Item:
        """One cloud, augmented: x (P, 3), y ()."""
        cloud = prepared(self.points(index), self.transform.config, self.name(index))
        with seeded(seed) as generator:
            return {"x": self.transform.train(cloud, generator), "y": self.labels[index]}

    def test(self, index: int) -> Item:
        """The views of one cloud, drawn from its index where there are several: x (V, P, 3), y ()."""
        return {"x": _views(self.points(index), self.transform, index, self.name(index)), "y": self.labels[index]}


def views_of(path: Path, wanted: Wanted) -> list[Tensor]:
    """The views of each cloud in a file, as `CloudItems.test` makes them: (V, P, 3) each.

    Where there are several, they are drawn from the cloud's number in the file, not from that in its data set.

    Raises:
        UserError: as `clouds_in`; or a cloud has a coordinate that is not a finite number, or is one single point.

    """
    transform = cloud_transform(wanted, str(path), ("classification", "tagging"))
    clouds = clouds_in(path, transform.config.points)
    return [_views(cloud_Q3, transform, number, f"{path}, cloud {number}") for number, cloud_Q3 in enumerate(clouds)]


def _views(points_Q3: NDArray[Any], transform: CloudTransform, number: int, source: str) -> Tensor:
    cloud = prepared(points_Q3, transform.config, source)
    with seeded(derived_seed(0, "views", number)) as generator:
        return transform.test(cloud, generator)


class StoredClouds(CloudItems):
    """Labelled clouds in HDF5 files."""

    def __init__(
        self,
        dataset: str,
        wanted: Wanted,
        classes: Sequence[str],
        rows: Rows,
        labels_N: NDArray[np.integer[Any]],
        source: object,
    ) -> None:
        super().__init__(dataset, wanted, classes, torch.from_numpy(labels_N.astype(np.int64)))
        require_every_class(classes, self.labels, source)
        self._rows = rows

    def name(self, index: int) -> str:
        """File and number of one cloud."""
        return self._rows.name(index)

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._rows.file(index)

    def points(self, index: int) -> NDArray[Any]:
        """Read one cloud."""
        return self._rows.read(index, POINTS)


def require_every_class(classes: Sequence[str], labels_N: Tensor, source: object) -> None:
    """Refuse a split in which a class has no cloud: a file may be lost, or labels may count from 1.

    Raises:
        UserError: naming `source` and the first such class.

    """
    absent = (torch.bincount(labels_N, minlength=len(classes)) == 0).nonzero().flatten().tolist()
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UserError(
            f"{source}: has no cloud of class {classes[absent[0]]!r}{more}; restore the data set (labels count from 0)."
        )


class PartItems(Items):
    """A split: prepared as the recipe says, read one by one by a subclass.

    `labels` (N,) are the categories of the clouds, `classes` the parts of all categories together (`Chair/2`), `parts` the labels
    of each of the `num_categories` categories.
    """

    labels: Tensor
    parts: tuple[tuple[int, ...], ...]
    num_categories: int

    def __init__(self, dataset: str, wanted: Wanted, categories: Mapping[str, int], labels_N: Sequence[int]) -> None:
        self.transform = part_transform(wanted, dataset)
        self.classes = tuple(f"{name}/{part}" for name, count in categories.items() for part in range(count))
        self.parts = offsets(categories)
        self.num_categories = len(self.parts)
        self.labels = torch.tensor(labels_N, dtype=torch.int64)

    @abstractmethod
    def points(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read one cloud: points (Q, 3), and part labels (Q,) that belong to its category. Raises `UserError` naming the file."""

    def __len__(self) -> int:
        """How many clouds the split holds."""
        return len(self.labels)

    def train(self, index: int, seed: int) -> Item:
        """One cloud, augmented: x (P, 3), y (P,), given ()."""
        cloud, labels = self._cloud(index)
        with seeded(seed) as generator:
            x, y = self.transform.train(cloud, labels, generator)
        return {"x": x, "y": y, "given": self.labels[index]}

    def test(self, index: int) -> Item:
        """One cloud, its points drawn from its index: x (1, P, 3), y (P,), given ()."""
        cloud, labels = self._cloud(index)
        with seeded(derived_seed(0, "points", index)) as generator:
            x, y = self.transform.test(cloud, labels, generator)
        return {"x": x.unsqueeze(0), "y": y, "given": self.labels[index]}

    def _cloud(self, index: int) -> tuple[Tensor, Tensor]:
        points, labels = self.points(index)
        return prepared(points, self.transform.config, self.name(index)), torch.from_numpy(labels).to(torch.int64)


def offsets(categories: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    """The labels of each category, counted through, where `categories` has their numbers."""
    parts, start = [], 0
    for count in categories.values():
        parts.append(tuple(range(start, start + count)))
        start += count
    return tuple(parts)
