"""Series with one or more labels each, read when they are asked for. Shapes: V views, C channels, T and L steps, K classes."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from m2pt.config import TestConfig, UserError
from m2pt.modalities.own.dataset import GOALS
from m2pt.modalities.shared.items import Item, Items
from m2pt.modalities.shared.wanted import Wanted
from m2pt_timeseries.section import TimeseriesAugment, TimeseriesInput
from m2pt_timeseries.series import Series, disturbed, fitted, read_labelled, read_series, varied


class SeriesItems(Items):
    """One split. `labels` are (N,) int64, or (N, K) float32 of 0 and 1 for tagging."""

    labels: Tensor

    def __init__(self, source: Path | str, wanted: Wanted, classes: Sequence[str], labels: Tensor) -> None:
        self._config, self._augment = sections(source, wanted)
        self.classes, self.labels = tuple(classes), labels

    @abstractmethod
    def series(self, index: int) -> Series:
        """Read one series (C, T). Raises `UserError` naming its file."""

    def __len__(self) -> int:
        return len(self.labels)

    def train(self, index: int, seed: int) -> Item:
        """`x` (C, L)."""
        series_CT = self.series(index)
        if self._augment is None:
            return self._item(index, torch.from_numpy(fitted(series_CT, self._config, self.name(index))))
        generator = np.random.default_rng(seed)
        part_CL = fitted(varied(series_CT, self._augment, generator), self._config, self.name(index))
        return self._item(index, torch.from_numpy(disturbed(part_CL, self._augment, generator)))

    def test(self, index: int) -> Item:
        """`x` (1, C, L): one view, the whole series."""
        return self._item(index, torch.from_numpy(fitted(self.series(index), self._config, self.name(index)))[None])

    def _item(self, index: int, x: Tensor) -> Item:
        return {"x": x, "y": self.labels[index]}


def views_of(path: Path, wanted: Wanted) -> list[Tensor]:
    """The one view (1, C, L) of each series in a file: one's own files hold one, those of the UCR archive many."""
    config, _ = sections(path, wanted)
    series = [read_series(path)] if wanted.files is not None else [row for _, row in read_labelled(path)]
    return [torch.from_numpy(fitted(each, config, str(path)))[None] for each in series]


def sections(source: Path | str, wanted: Wanted) -> tuple[TimeseriesInput, TimeseriesAugment | None]:
    """The input and augmentation. Raises `UserError` for settings that do not apply to series."""
    if not isinstance(wanted.input, TimeseriesInput) or not isinstance(wanted.augment, TimeseriesAugment | None):
        raise UserError(f"{source}: series need an input and an augmentation of the kind timeseries; choose a recipe for them.")
    if wanted.goal not in GOALS:
        raise UserError(f"{source}: series are for {' or '.join(GOALS)}, not for {wanted.goal}; correct the goal.")
    if wanted.test != TestConfig():
        raise UserError(f"{source}: a series is tested with one view; leave finetune.test out.")
    return wanted.input, wanted.augment
