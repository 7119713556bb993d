"""The data of a run on a published data set: its splits, read from the published files, without the samples left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.files.documents import recalled_json, remember_json
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.wanted import Split
from m2pt.runs.identity import derived_seed
from m2pt.runs.record import Counts
from m2pt.runs.spec import RunSpec, TaskSpec
from m2pt.training.availability import Availability, available, memory_name, open_split
from m2pt.training.counts import documents, require_enough, samples_sha256
from m2pt.training.draw import balanced
from m2pt.training.feeds import Feed, FileFeed, TestSplit
from m2pt.training.hopeless import refuse_one_answer
from m2pt.training.sampling import holdout
from m2pt.training.share import Share

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class _Part:
    """One split as the run uses it, before anything is left out: the samples at `places` of the list of a published split."""

    items: Items
    listed_as: Split
    places: Tensor

    def count(self, state: Availability) -> Counts:
        """How many samples there are, and how many are left out."""
        places = set(self.places.tolist())
        unreadable = None if state.unreadable is None else len(places & state.unreadable.keys())
        return Counts(listed=len(places), absent=len(places & state.absent.keys()), unreadable=unreadable)

    def left_out(self, state: Availability) -> list[str]:
        """A sentence for each sample that is left out."""
        places = set(self.places.tolist())
        return [sentence for place, sentence in sorted(state.left_out.items()) if place in places]

    def kept(self, state: Availability) -> Tensor:
        """The places that remain."""
        return self.places[~torch.isin(self.places, torch.tensor(sorted(state.left_out), dtype=torch.int64))]


Parts = Mapping[str, _Part]
States = Mapping[Split, Availability]
"""What is available of each published split that the parts are taken from."""


def file_feed(spec: RunSpec, folder: Path, cache: Path, share: Share, workers: int) -> Feed:
    """Open a task's data set in `folder`.

    Validation data are the data set's own, or the fraction `holdout` of its training split (the same for every seed), or none.
    Absent samples and, with `unreadable: skip`, unreadable ones are left out and counted, up to the share that the task allows.

    Raises:
        UserError: a list of the data set is missing or damaged, or more is left out than the task allows.

    """
    parts, memory = _parts(spec, folder), _memory(spec, folder, cache)
    if not memory.is_file():
        _require_apart(parts)
    states = _states(spec, folder, cache, parts, workers)
    kept = {name: part.kept(states[part.listed_as]) for name, part in parts.items()}
    _require_taught(spec, parts, kept)
    train = parts["train"].items
    drawn = _drawn(spec, train, kept["train"])
    names: tuple[TestSplit, ...] = ("test", "val")
    tests = {name: (parts[name].items, kept[name]) for name in names if name in parts}
    feed = FileFeed(spec, train.among(drawn), drawn, tests, share, workers)
    feed.counts = _counts(parts, states)
    left_out = _left_out(parts, states)
    feed.skipped = [sentence for name in SPLITS for sentence in left_out.get(name, ())]
    feed.samples_sha256 = samples_sha256(spec, {split: list(state.left_out) for split, state in states.items()})
    if _skips(spec) and share.leads:
        remember_json(memory, documents(feed.counts))
    return feed


def _states(spec: RunSpec, folder: Path, cache: Path, parts: Parts, workers: int) -> States:
    """What can be used of each published split.

    Raises:
        UserError: more is left out than the task allows.

    """
    splits = list(dict.fromkeys(part.listed_as for part in parts.values()))
    states = {split: _require(available(spec, folder, split, cache, decode=False)) for split in splits}
    if not _skips(spec):
        # An unreadable sample will end the run, so a complete run has left none out.
        states = {split: replace(state, unreadable={}) for split, state in states.items()}
    require_enough(spec, _counts(parts, states), _left_out(parts, states))
    if _skips(spec):  # only now, because decoding all files takes much longer than checking which exist
        states = {split: _require(available(spec, folder, split, cache, decode=True, workers=workers)) for split in splits}
        require_enough(spec, _counts(parts, states), _left_out(parts, states))
    return states


def _require(state: Availability | None) -> Availability:
    if state is None:
        raise ValueError("a split that was opened is gone")
    return state


def _skips(spec: RunSpec) -> bool:
    return _task(spec).unreadable == "skip"


def _counts(parts: Parts, states: States) -> dict[str, Counts]:
    return {name: part.count(states[part.listed_as]) for name, part in parts.items()}


def _left_out(parts: Parts, states: States) -> dict[str, list[str]]:
    return {name: part.left_out(states[part.listed_as]) for name, part in parts.items()}


def look(spec: RunSpec, folder: Path, cache: Path) -> dict[str, Counts]:
    """The counts of each split of a task's data set in `folder`, as its runs recorded them; before any run, without decoding.

    Raises:
        UserError: a list of the data set is missing or damaged.

    """
    memory = _memory(spec, folder, cache)
    known = recalled_json(memory)
    if known is None:
        parts = _parts(spec, folder)
        _require_apart(parts)
        splits = dict.fromkeys(part.listed_as for part in parts.values())
        states = {split: _require(available(spec, folder, split, cache, decode=False)) for split in splits}
        _require_taught(spec, parts, {name: part.kept(states[part.listed_as]) for name, part in parts.items()})
        counts = _counts(parts, states)
        remember_json(memory, documents(counts))
        return {name: counts[name] for name in SPLITS if name in counts}
    return {name: Counts.model_validate(known[name]) for name in SPLITS if name in known}


def _memory(spec: RunSpec, folder: Path, cache: Path) -> Path:
    """The file that remembers the counts; they depend on the lists and files, and on what is held out."""
    return cache / "counts" / f"{memory_name(spec, folder, ['counts', _task(spec).holdout])}.json"


def _parts(spec: RunSpec, folder: Path) -> Parts:
    """The splits that the run uses, opened and listed."""
    task = _task(spec)
    train, val, test = (open_split(spec, folder, split) for split in ("train", "val", "test"))
    if train is None or test is None:
        missing = "training" if train is None else "test"
        raise UserError(
            f"{folder}: the data set {task.dataset} has no {missing} split there; complete it or correct the task's path."
        )
    parts = {"train": _Part(train, "train", torch.arange(len(train))), "test": _Part(test, "test", torch.arange(len(test)))}
    if val is not None:
        parts["val"] = _Part(val, "val", torch.arange(len(val)))
    elif task.holdout > 0:
        # The same samples for every seed: what is held out is a property of the data.
        labels = train.labels if train.labels is not None else torch.arange(len(train))
        kept, held = holdout(labels, task.holdout, derived_seed(0, "holdout"))
        parts |= {"train": _Part(train, "train", kept), "val": _Part(train, "train", held)}
    return parts


def _require_apart(parts: Parts) -> None:
    """Refuse lists that name a sample twice: it would count twice, or be in both the training and the test data."""
    seen: dict[str, Split] = {}
    for split, items in {part.listed_as: part.items for part in parts.values()}.items():
        for index in range(len(items)):
            name = items.name(index)
            if (before := seen.get(name)) is not None:
                where = f"twice in the {split} split" if before == split else f"in the {before} split and in the {split} split"
                raise UserError(f"{name}: is listed {where}; take it off one of the lists.")
            seen[name] = split


def _require_taught(spec: RunSpec, parts: Parts, places: Mapping[str, Tensor]) -> None:
    """Refuse data with only one class, or with a class to be predicted that the training split does not have."""
    train = parts["train"].items
    if train.labels is None or not len(places["train"]):
        return
    refuse_one_answer(spec, train.classes, train.labels[places["train"]], getattr(train, "parts", None))
    if train.labels.ndim != 1:
        return
    # What is held out of the training split was drawn from the same classes.
    listed = torch.cat([places[name] for name, part in parts.items() if part.listed_as == "train"])
    for name, part in parts.items():
        labels = part.items.labels
        if part.listed_as == "train" or labels is None:
            continue
        strange = places[name][~torch.isin(labels[places[name]], train.labels[listed])].tolist()
        if strange:
            label = int(labels[strange[0]])
            called = f"category {label}" if spec.goal == "part_segmentation" else f"class {train.classes[label]!r}"
            raise UserError(
                f"{part.items.name(strange[0])}: is of {called}, of which the training split has no sample; complete that, or "
                f"take the {len(strange)} such samples off the {name} split."
            )


def _drawn(spec: RunSpec, train: Items, places: Tensor) -> Tensor:
    """The samples of `places` that the run trains with: all, or a balanced draw by its seed."""
    if spec.finetune.samples == "all":
        return places
    known = train.labels is not None and train.labels.ndim == 1
    labels = train.labels[places] if known and train.labels is not None else torch.zeros(len(places), dtype=torch.long)
    return places[balanced(labels, spec.finetune.samples, derived_seed(spec.seed, "split", spec.target))]


def _task(spec: RunSpec) -> TaskSpec:
    if spec.task is None:
        raise ValueError(f"{spec.name}: is not a task on a published data set")
    return spec.task
