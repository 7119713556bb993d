"""Sounds in files with one or more labels each, as every reader of a published audio data set returns them.

Shape suffixes: S samples in time, T frames, M mel bins, N sounds, K classes.
"""

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m2pt.config import AudioAugment, AudioInput, TestConfig, UserError
from m2pt.modalities.audio.decoding.sounds import Waveform, read_waveform
from m2pt.modalities.audio.transforms.filterbank import filterbank
from m2pt.modalities.audio.transforms.sounds import MIXING, levelled, mixed, rolled
from m2pt.modalities.audio.transforms.specaugment import masked, noisy
from m2pt.modalities.dataset import require_variant
from m2pt.modalities.shared.items import Item, Items
from m2pt.modalities.shared.listed import member, visible
from m2pt.modalities.shared.wanted import Wanted


class SoundItems(Items):
    """The sounds of one split. `labels_of` gives the labels of each name; `listed_in` is what lists the names (for messages).

    A training sample is changed in AudioMAE's order: roll, level, mixture with another sound of the split, filterbank, masks,
    noise. If sounds are mixed, `y` of every training sample is float32 (K,), also for classification: the weights of its
    classes.
    """

    def __init__(
        self,
        folder: Path,
        listed_in: Path,
        names: Sequence[str],
        labels_of: Sequence[Sequence[int]],
        classes: Sequence[str],
        wanted: Wanted,
    ) -> None:
        self._config, self._augment = sections(folder, wanted)
        self._tagging = wanted.goal == "tagging"
        self._folder, self._listed_in, self._names = folder, listed_in, tuple(names)
        self.classes = tuple(classes)
        # Two million lists of labels fit better into two arrays, also on their way to other processes.
        self._ends = np.cumsum([len(labels) for labels in labels_of])
        self._flat = np.array([label for labels in labels_of for label in labels], dtype=np.int64)
        self._partners: NDArray[np.int64] = np.arange(len(names))

    @cached_property
    def labels(self) -> Tensor | None:  # type: ignore[override]  # made when it is asked for
        """(N,) int64, or (N, K) float32 of 0 and 1 for tagging."""
        if not self._tagging:
            return torch.from_numpy(self._flat)
        labels_NK = torch.zeros(len(self), len(self.classes))
        labels_NK[np.repeat(np.arange(len(self)), np.diff(self._ends, prepend=0)), self._flat] = 1.0
        return labels_NK

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "labels"}  # large, and can be made again

    def among(self, kept: Sequence[int] | Tensor) -> Self:
        """The same split, in which only the sounds `kept` are mixed into others: held-out sounds must not be trained with."""
        items = copy.copy(self)
        items._partners = np.asarray(kept, dtype=np.int64)
        return items

    def __len__(self) -> int:
        return len(self._names)

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._folder / self._names[index]

    def train(self, index: int, seed: int) -> Item:
        """`x` (1, T, M), not normalised; `y` as described above."""
        augment = self._augment
        if augment is None:
            return self._item(self._bank(self._waveform(index), index), index)
        generator = np.random.default_rng(seed)
        sound_S = self._played(index, augment, generator)
        target_K = self._target(index)
        if augment.mixup and generator.random() < augment.mixup:
            partner = int(generator.choice(self._partners))
            weight = float(generator.beta(MIXING, MIXING))
            sound_S = mixed(sound_S, self._played(partner, augment, generator), weight)
            target_K = weight * target_K + (1 - weight) * self._target(partner)
        bank_TM = masked(self._bank(sound_S, index), augment.frequency_mask, augment.time_mask, generator)
        if augment.noise:
            bank_TM = noisy(bank_TM, self._config.std, generator)
        item = self._item(bank_TM, index)
        return item | {"y": torch.from_numpy(target_K).float()} if augment.mixup else item

    def test(self, index: int) -> Item:
        """`x` (1, 1, T, M): one view, from the start of the sound."""
        item = self._item(self._bank(self._waveform(index), index), index)
        return item | {"x": item["x"].unsqueeze(0)}

    def _item(self, bank_TM: NDArray[np.float32], index: int) -> Item:
        y = self._target(index) if self._tagging else self._labels(index)[0]
        x_1TM = torch.from_numpy(np.ascontiguousarray(bank_TM)).unsqueeze(0)
        return {"x": x_1TM, "y": torch.tensor(y, dtype=torch.float32 if self._tagging else torch.int64)}

    def _labels(self, index: int) -> NDArray[np.int64]:
        return self._flat[self._ends[index - 1] if index else 0 : self._ends[index]]

    def _target(self, index: int) -> NDArray[np.float64]:
        target_K = np.zeros(len(self.classes))
        target_K[self._labels(index)] = 1.0
        return target_K

    def _waveform(self, index: int) -> Waveform:
        path = member(self._folder, self._names[index], self._listed_in)
        return read_waveform(path, self._config.sample_rate, self._config.stereo)

    def _played(self, index: int, augment: AudioAugment, generator: np.random.Generator) -> Waveform:
        sound_S = self._waveform(index)
        sound_S = sound_S - sound_S.mean()
        sound_S = rolled(sound_S, generator) if augment.roll else sound_S
        return levelled(sound_S, generator) if augment.level else sound_S

    def _bank(self, sound_S: Waveform, index: int) -> NDArray[np.float32]:
        return _bank_of(sound_S, self._config, self.name(index))


def views_of(path: Path, wanted: Wanted) -> list[Tensor]:
    """The one view of one sound in a file, as `SoundItems.test` makes it: (1, 1, T, M). Raises `UserError` as there."""
    config, _ = sections(path, wanted)
    bank_TM = _bank_of(read_waveform(path, config.sample_rate, config.stereo), config, str(path))
    return [torch.from_numpy(np.ascontiguousarray(bank_TM))[None, None]]


def _bank_of(sound_S: Waveform, config: AudioInput, source: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        bank_TM = filterbank(sound_S, config)
    if not np.isfinite(bank_TM).all():
        raise UserError(f"{source}: is so loud that its filterbank holds no finite numbers; repair or remove it.")
    return bank_TM


def sections(source: Path | str, wanted: Wanted) -> tuple[AudioInput, AudioAugment | None]:
    """The input and augmentation. Raises `UserError` for settings that do not apply to sounds."""
    if not isinstance(wanted.input, AudioInput) or not isinstance(wanted.augment, AudioAugment | None):
        raise UserError(f"{source}: sounds need an input and an augmentation of the kind audio; choose a recipe for audio.")
    if wanted.goal not in ("classification", "tagging"):
        raise UserError(f"{source}: sounds are for classification or tagging, not for {wanted.goal}; correct the goal.")
    if wanted.test != TestConfig():
        raise UserError(f"{source}: a sound is tested with one view; leave finetune.test out.")
    return wanted.input, wanted.augment


def inside(folder: Path, names: Sequence[str], listed_in: Path) -> list[str]:
    """The paths that a list names, relative to the data folder; absolute ones may use any way in which the folder can be written.

    Raises:
        UserError: one leads out of the folder or to a dotfile, where the fingerprint of the data would not cover it.

    """
    prefixes = [f"{str(path).rstrip('/')}/" for path in (folder, folder.absolute(), folder.resolve())]
    relative = []
    for name in names:
        path = name
        for prefix in prefixes if name.startswith("/") else ():
            path = path.removeprefix(prefix)
        if path.startswith("/") or (".." in path and ".." in PurePosixPath(path).parts):
            raise UserError(f"{listed_in}: names {name!r}, which is outside the data folder; paths must lead into {folder}.")
        relative.append(visible(path, str(listed_in)))
    return relative


def require_sounds(dataset: str, wanted: Wanted, *variants: str | None) -> None:
    """Check the request to a data set of sounds. Raises `UserError` if no files could satisfy it."""
    sections(dataset, wanted)
    require_variant(dataset, wanted, *variants)
