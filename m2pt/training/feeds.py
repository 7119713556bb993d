"""Batches for training and for evaluation, from memory or from files; in both cases they are determined by the seed.

Shapes: B rows of this process, V views of a sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import torch
from torch import Tensor

from m2pt.config import UserError, refuses_unknown
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.items import Item, Items
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.identity import derived_seed
from m2pt.runs.record import Counts
from m2pt.runs.spec import RunSpec
from m2pt.training.reading import Key, Reading
from m2pt.training.sampling import weighted_order
from m2pt.training.share import Share

TestSplit = Literal["val", "test"]

EVALUATION_BATCH = 250
"""How many samples from memory are evaluated at once."""

EVALUATION_VIEWS = 64
"""How many views of samples from files are evaluated at once; scenes differ in size, so they are evaluated one by one."""


@dataclass(frozen=True)
class Batch:
    """One process's part of a global batch of `total` samples: its samples and their `rows` in the batch."""

    item: Item
    rows: Tensor
    total: int


class AuxiliaryFeed:
    """Labelled samples of the auxiliary's modality, of which a method trains with a batch in each step.

    A batch is a function of the seed and the number of the step, so that a resumed run needs no state of this feed, and the
    target's batches do not depend on it.
    """

    def __init__(self, spec: RunSpec, samples: Samples) -> None:
        self._spec, self.samples = spec, samples
        self._size = min(spec.finetune.batch_size, len(samples.y))
        self._steps = len(samples.y) // self._size

    def batch(self, step: int) -> Batch:
        """The batch of an optimizer step, counted from 0 over the run: full, in a new order for each pass over the samples.

        If the recipe augments, they are augmented as samples of their modality are.
        """
        turn, place = divmod(step, self._steps)
        order = torch.randperm(len(self.samples.y), generator=self._generator("auxiliary order", turn))
        chosen = order[place * self._size : (place + 1) * self._size]
        x = self.samples.x[chosen]
        if self._spec.finetune.augment:
            x = SPECS[self._spec.auxiliary].parts().augment(x, self._generator("auxiliary augment", step))
        return Batch({"x": x, "y": self.samples.y[chosen]}, torch.arange(self._size), self._size)

    def _generator(self, purpose: str, place: int) -> torch.Generator:
        return torch.Generator().manual_seed(derived_seed(self._spec.seed, purpose, self._spec.auxiliary, place))


class Feed(ABC):
    """The data of one run: `size` training samples of `classes`, with their `labels` if these are known without reading.

    `pool` are these samples if they are in memory, `auxiliary` those of the auxiliary's modality if the method trains with them.
    `counts` has the counts of each split before anything is drawn from it, `skipped` has a sentence for each sample that was left
    out, and `samples_sha256` is equal for runs on exactly the same samples.
    """

    classes: tuple[str, ...]
    size: int
    steps_per_epoch: int
    labels: Tensor | None
    parts: tuple[tuple[int, ...], ...] | None = None
    pool: Samples | None = None
    auxiliary: AuxiliaryFeed | None = None
    counts: Mapping[str, Counts]
    skipped: Sequence[str] = ()
    samples_sha256: str

    @abstractmethod
    def train(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch (counted from 1), from step `first` (counted from 0) on."""

    @abstractmethod
    def some(self, count: int) -> Iterator[Item]:
        """Training samples, at most `count`, in batches: the same ones in every process, and drawn by the run's seed."""

    @abstractmethod
    def test(self, split: TestSplit) -> Iterator[Item]:
        """The part of a split that this process evaluates, in batches whose `x` is (B, V, ...)."""

    @abstractmethod
    def count(self, split: TestSplit) -> int:
        """How many samples a split has; 0 if there is no such split."""


class MemoryFeed(Feed):
    """Decoded samples in memory; `pool` has those that the run trains with."""

    def __init__(self, spec: RunSpec, pool: Samples, splits: dict[TestSplit, Samples], share: Share) -> None:
        self._spec, self._pool, self._splits, self._share = spec, pool, splits, share
        self.pool = pool
        self.classes, self.size, self.labels = pool.classes, len(pool.y), pool.y
        self.steps_per_epoch = -(-self.size // spec.finetune.batch_size)

    def train(self, epoch: int, first: int) -> Iterator[Batch]:
        """As `Feed.train`; a batch is augmented as one, and the last batch of an epoch may be smaller."""
        spec = self._spec
        order = torch.randperm(self.size, generator=_generator(spec, "order", epoch))
        for step, chosen in enumerate(order.split(spec.finetune.batch_size)):
            if step < first:
                continue
            x, total = self._pool.x[chosen], len(chosen)
            if spec.finetune.augment:
                x = SPECS[spec.modality].parts().augment(x, _generator(spec, "augment", epoch, step))
            rows = self._share.rows(total, spec.finetune.rows_together)
            if self._share.world > 1:
                x, chosen = x[rows], chosen[rows]
            yield Batch({"x": x, "y": self._pool.y[chosen]}, rows, total)

    def some(self, count: int) -> Iterator[Item]:
        """As `Feed.some`, not augmented."""
        for chosen in _some(self._spec, self.size, count).split(EVALUATION_BATCH):
            yield {"x": self._pool.x[chosen], "y": self._pool.y[chosen]}

    def test(self, split: TestSplit) -> Iterator[Item]:
        """As `Feed.test`, one view."""
        samples = self._splits[split]
        mine = self._share.every(len(samples.y))
        x, y = (samples.x, samples.y) if self._share.world == 1 else (samples.x[list(mine)], samples.y[list(mine)])
        for part, labels in zip(x.split(EVALUATION_BATCH), y.split(EVALUATION_BATCH), strict=True):
            yield {"x": part.unsqueeze(1), "y": labels}

    @refuses_unknown
    def count(self, split: TestSplit) -> int:
        """As `Feed.count`."""
        return len(self._splits[split].y)


class FileFeed(Feed):
    """Samples that `workers` processes per device read from their files.

    `kept` are the samples of `train` that the run trains with; an incomplete last batch is left out, as in the published recipes.
    """

    def __init__(
        self, spec: RunSpec, train: Items, kept: Tensor, tests: dict[TestSplit, tuple[Items, Tensor]], share: Share, workers: int
    ) -> None:
        self._spec, self._train, self._kept, self._tests, self._share, self._workers = spec, train, kept, tests, share, workers
        recipe = spec.finetune
        self.classes, self.size = train.classes, len(kept)
        self.labels = None if train.labels is None else train.labels[kept]
        self.parts = getattr(train, "parts", None)
        drawn = (recipe.epoch_samples if recipe.weighted else None) or self.size
        self.steps_per_epoch = drawn // recipe.batch_size
        self._reading = Reading({"train": train} | {split: items for split, (items, _) in tests.items()}, workers)
        if self.steps_per_epoch == 0:
            raise UserError(
                f"finetune.batch_size: {recipe.batch_size} is more than the {drawn} training samples of {spec.target}."
            )

    def train(self, epoch: int, first: int) -> Iterator[Batch]:
        """As `Feed.train`. Each of the `batch_size` samples of a batch appears `repeats` times in a row, with different
        augmentations (`Items.copies`).
        """
        spec, recipe = self._spec, self._spec.finetune
        order = self._order(epoch)
        total = recipe.batch_size * recipe.repeats
        rows = self._share.rows(total, recipe.rows_together)
        batches: list[list[Key]] = []
        for step in range(first, self.steps_per_epoch):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size].tolist()
            keys: list[Key] = []
            for place, group in groupby(rows.tolist(), key=lambda row: row // recipe.repeats):
                seed = derived_seed(spec.seed, "augment", spec.target, epoch, step, place)
                keys.append(("train", chosen[place], seed, tuple(row % recipe.repeats for row in group)))
            batches.append(keys)
        for item in self._reading.batches(batches):
            yield Batch(item, rows, total)

    def _order(self, epoch: int) -> Tensor:
        recipe, generator = self._spec.finetune, _generator(self._spec, "order", epoch)
        if recipe.weighted:
            if self._train.labels is None:
                raise UserError(
                    f"finetune.weighted: the data set of {self._spec.target} does not list its labels; set it to false."
                )
            count = recipe.epoch_samples or self.size
            labels = self._train.labels[self._kept]
            return self._kept[weighted_order(labels, count, generator, replacement=recipe.replacement)]
        return self._kept[torch.randperm(self.size, generator=generator)]

    def some(self, count: int) -> Iterator[Item]:
        """As `Feed.some`, augmented as in training."""
        seed = self._spec.seed
        keys: list[Key] = [
            ("train", index, derived_seed(seed, "alignment", self._spec.target, place), (0,))
            for place, index in enumerate(self._kept[_some(self._spec, self.size, count)].tolist())
        ]
        yield from self._reading.batches(
            [keys[start : start + EVALUATION_VIEWS] for start in range(0, len(keys), EVALUATION_VIEWS)]
        )

    def test(self, split: TestSplit) -> Iterator[Item]:
        """As `Feed.test`; samples of different sizes come one by one."""
        _, kept = self._tests[split]
        mine = [int(kept[index]) for index in self._share.every(len(kept))]
        test = self._spec.finetune.test
        views = test.clips * test.crops * test.votes
        size = 1 if self._spec.goal in ("semantic_segmentation", "instance_segmentation") else max(1, EVALUATION_VIEWS // views)
        batches: list[list[Key]] = [
            [(split, index, None, ()) for index in mine[start : start + size]] for start in range(0, len(mine), size)
        ]
        yield from self._reading.batches(batches)

    @refuses_unknown
    def count(self, split: TestSplit) -> int:
        """As `Feed.count`."""
        return len(self._tests[split][1]) if split in self._tests else 0


def _generator(spec: RunSpec, purpose: str, *place: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(spec.seed, purpose, spec.target, *place))


def _some(spec: RunSpec, size: int, count: int) -> Tensor:
    return torch.randperm(size, generator=_generator(spec, "alignment"))[:count]
