"""The data of a run on a published data set: its splits, opened in their published files."""

import importlib
from pathlib import Path

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.identity import RunSpec, TaskSpec, derived_seed
from m2pt.modalities.items import Items, Reader, Split, Wanted
from m2pt.training.draw import balanced
from m2pt.training.feeds import Feed, FileFeed, TestSplit
from m2pt.training.readable import unreadable, without
from m2pt.training.sampling import holdout
from m2pt.training.share import Share


def file_feed(spec: RunSpec, folder: Path, cache: Path, share: Share, workers: int) -> Feed:
    """Open a task's data set in `folder`.

    Validation data are the data set's own, or the fraction `holdout` of its training split (the same for every seed), or none.

    Raises:
        UserError: a list of the data set is missing or damaged, or a file cannot be read where the task does not skip such.

    """
    task = _task(spec)
    train, val, test = (_open(spec, folder, split) for split in ("train", "val", "test"))
    if train is None or test is None:
        missing = "training" if train is None else "test"
        raise UserError(
            f"{folder}: the data set {task.dataset} has no {missing} split there; complete it or correct the task's path."
        )
    kept = torch.arange(len(train))
    tests: dict[TestSplit, tuple[Items, Tensor]] = {"test": (test, torch.arange(len(test)))}
    if val is not None:
        tests["val"] = (val, torch.arange(len(val)))
    elif task.holdout > 0:
        # The same samples for every seed: what is held out is a property of the data.
        kept, held = holdout(train.labels if train.labels is not None else kept, task.holdout, derived_seed(0, "holdout"))
        tests["val"] = (train, held)
    skipped: list[str] = []
    if task.unreadable == "skip":
        faults = _faults(spec, train, "train", cache, workers)
        skipped += faults.values()
        kept = without(kept, faults)
        for split, (items, indices) in list(tests.items()):
            faults = _faults(spec, items, "train" if items is train else split, cache, workers)
            skipped += faults.values() if items is not train else ()
            tests[split] = (items, without(indices, faults))
    if spec.finetune.samples != "all":
        labels = (
            train.labels[kept]
            if train.labels is not None and train.labels.ndim == 1
            else torch.zeros(len(kept), dtype=torch.long)
        )
        kept = kept[balanced(labels, spec.finetune.samples, derived_seed(spec.seed, "split", spec.target))]
    feed = FileFeed(spec, train.among(kept), kept, tests, share, workers)
    feed.skipped = sorted(set(skipped))
    return feed


def _task(spec: RunSpec) -> TaskSpec:
    if spec.task is None:
        raise ValueError(f"{spec.name}: is no task on a published data set")
    return spec.task


def _open(spec: RunSpec, folder: Path, split: Split) -> Items | None:
    task, augment = _task(spec), spec.finetune.augment
    readers: dict[str, Reader] = importlib.import_module(f"m2pt.modalities.{spec.modality}.readers").READERS
    if task.dataset not in readers:
        raise UserError(f"tasks.{spec.target}.dataset: {task.dataset} is no data set of the modality {spec.modality}.")
    wanted = Wanted(spec.input, None if isinstance(augment, bool) else augment, spec.finetune.test, task.goal, task.variant)
    return readers[task.dataset](folder, split, wanted)


def _faults(spec: RunSpec, items: Items, split: str, cache: Path, workers: int) -> dict[int, str]:
    return unreadable(items, cache / "unreadable" / f"{spec.target}-{split}-{spec.data_sha256[:16]}.json", workers)
