"""Clouds with a label for each point: the parts of objects of several categories, wherever their files lie.

Shapes: N clouds, Q points as stored, P points that the model sees.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from m2pt.modalities.items import Item, Items, Wanted, seeded
from m2pt.modalities.point.transforms import part_transform, prepared
from m2pt.runs.identity import derived_seed


class PartItems(Items):
    """A split: prepared as the recipe says, read one by one by a subclass.

    `labels` (N,) are the categories of the clouds, `classes` the parts of all categories together (`Chair/2`), `parts` the labels
    of each category, of which there are `num_categories`.
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
