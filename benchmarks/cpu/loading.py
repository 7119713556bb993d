"""How fast our readers read, augment and batch generated files, with 0, 1 and 2 reading processes."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.cpu.files import Write, cloud, picture, sound, video, write_all
from benchmarks.measuring.clock import median, quartiles
from benchmarks.measuring.fixtures import Setup, spec_of
from benchmarks.measuring.parts import Row, measured
from m2pt.config import FilesConfig, Modality, TestConfig
from m2pt.modalities.recipe import VIT_B
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.wanted import Wanted
from m2pt.training.feeds import FileFeed
from m2pt.training.share import Share

WORKERS = (0, 1, 2)
_EPOCHS = 4


@dataclass(frozen=True)
class _Kind:
    """One kind of files: what they are, how many are written, and how many make a batch."""

    modality: Modality
    what: str
    suffix: str
    write: Write
    count: int
    batch: int


_KINDS = (
    _Kind("image", "JPEG, 500 x 375", ".jpg", picture, 96, 16),
    _Kind("audio", "WAV, 5 s", ".wav", sound, 64, 16),
    _Kind("point", "HDF5, 2,048 points", ".h5", cloud, 64, 16),
    _Kind("video", "MP4, 4 s", ".mp4", video, 12, 4),
)


def loading(setup: Setup) -> list[Row]:
    """One's own files of each modality, by the recipe `own`, at its full size."""
    rows = []
    for kind in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            count = kind.batch if setup.tiny else kind.count
            write_all(Path(folder), kind.suffix, kind.write, count, setup.tiny)
            workers = WORKERS[:1] if setup.tiny and kind.modality != "image" else WORKERS
            rows += _rows(kind, _items(kind, Path(folder)), workers, setup)
    return rows


def _items(kind: _Kind, folder: Path) -> Items:
    recipe, spec = SPECS[kind.modality].recipes["own"], SPECS[kind.modality].dataset("folder")
    augment = recipe.finetune.augment
    assert spec is not None and not isinstance(augment, bool)
    wanted = Wanted(recipe.input, augment, TestConfig(), recipe.goal, files=FilesConfig(val=0.0, test=0.0))
    items = spec.open(folder, "train", wanted)
    assert items is not None
    return items


def _rows(kind: _Kind, items: Items, numbers: Sequence[int], setup: Setup) -> list[Row]:
    recipe = SPECS[kind.modality].recipes["own"]
    finetune = recipe.finetune.model_copy(update={"batch_size": kind.batch})
    spec = spec_of(kind.modality, recipe.input, VIT_B, finetune, joined=False)
    rows = []
    for workers in numbers:
        feed = FileFeed(spec, items, torch.arange(len(items)), {}, Share(), workers)
        epochs = 1 if setup.tiny else _EPOCHS
        if workers == 0:
            used = _of_epochs(feed, epochs, time.process_time)
            what = f"reading {kind.what}: processor time a sample"
            rows.append(measured(what, 1000 * median(used), "ms", quartiles(used) if len(used) > 1 else None))
        taken = _of_epochs(feed, epochs, time.perf_counter)
        rates = [1 / seconds for seconds in taken]
        what = f"reading {kind.what}: {workers or 'no'} worker{'s' * (workers != 1)}"
        rows.append(measured(what, median(rates), "samples a second", quartiles(rates) if len(rates) > 1 else None))
    return rows


def _of_epochs(feed: FileFeed, epochs: int, clock: Callable[[], float]) -> list[float]:
    """The seconds a sample of each epoch, after one in which the reading processes start."""
    seconds = []
    for epoch in range(1, 2 + epochs):
        begin, count = clock(), 0
        for batch in feed.train(epoch, 0):
            count += len(batch.rows)
        seconds.append((clock() - begin) / count)
    return seconds[1:]
