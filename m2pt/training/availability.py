"""Which listed samples of a task exist and can be read: checked once for each state of the data, then remembered.

A listed sample without a file is absent; one whose file exists but is damaged is unreadable. A sample is only ever left out for
the content of the data: a file that this process has no permission to read, or a failing disk, ends the run.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel
from torch.utils.data import DataLoader, Dataset

from m2pt.config import UserError, refuses_unknown
from m2pt.data.cache_keys import reading_key
from m2pt.files.documents import recalled_json, remember_json
from m2pt.files.leases import leased
from m2pt.files.state import file_sha256
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.items import Items
from m2pt.modalities.shared.missing import is_file
from m2pt.modalities.shared.wanted import Reader, Split
from m2pt.runs.spec import RunSpec
from m2pt.training.wanted import task_of, wanted


@dataclass(frozen=True)
class Availability:
    """One split of a data set on this machine: how many samples its list has, and a sentence for each that cannot be used.

    `unreadable` is None until every file has been decoded once.
    """

    listed: int
    absent: dict[int, str]
    unreadable: dict[int, str] | None

    @property
    def left_out(self) -> dict[int, str]:
        """All samples that cannot be used, as far as is known."""
        return self.absent | (self.unreadable or {})

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """Read back what `document` returned."""
        absent, unreadable = document["absent"], document["unreadable"]
        return cls(document["listed"], _by_number(absent), None if unreadable is None else _by_number(unreadable))

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)


@refuses_unknown
def open_split(spec: RunSpec, folder: Path, split: Split) -> Items | None:
    """One split of a task's data set in `folder`; None if it has no such split. Raises `UserError` as its reader does."""
    return _reader(spec)(folder, split, wanted(spec))


@refuses_unknown
def available(spec: RunSpec, folder: Path, split: Split, cache: Path, *, decode: bool, workers: int = 0) -> Availability | None:
    """Which samples of a split exist and, with `decode`, which can be read; None if the data set has no such split.

    It is remembered below `cache` under everything that it depends on: the content of the data, the reader and its arguments, its
    source code and the versions of the packages that decode. `workers` processes read.

    Raises:
        UserError: a list is missing or damaged, or a file exists but this process cannot read its bytes.

    """
    memory = cache / "available" / f"{memory_name(spec, folder, [split])}.json"
    with ExitStack() as stack:
        with suppress(UserError):  # where nothing can be written, nothing is remembered, and two processes look for themselves
            stack.enter_context(leased(memory.with_suffix(".lease")))
        known = _recalled(memory)
        if known is not None and (known.unreadable is not None or not decode):
            return known
        # Whether a sample can be read does not depend on its augmentation.
        items = _reader(spec)(folder, split, replace(wanted(spec), augment=None))
        if items is None:
            return None
        absent = known.absent if known is not None else dict(_absent(items))
        availability = Availability(len(items), absent, dict(_unreadable(items, absent, workers)) if decode else None)
        remember_json(memory, availability.document())
        return availability


def _recalled(memory: Path) -> Availability | None:
    try:
        remembered = recalled_json(memory)
        return None if remembered is None else Availability.read(remembered)
    except (AttributeError, KeyError, TypeError, ValueError):  # damaged, and of older code, which sealed nothing
        return None


def _reader(spec: RunSpec) -> Reader:
    name = task_of(spec).dataset
    if (known := SPECS[spec.modality].dataset(name)) is None:
        raise UserError(f"tasks.{spec.target}.dataset: {name} is not a data set of the modality {spec.modality}.")
    return known.open


def memory_name(spec: RunSpec, folder: Path, kind: list[Any]) -> str:
    """The cache key of what is remembered; it covers every field that the reader is given, so that none can be forgotten here."""
    asked = replace(wanted(spec), augment=None)
    plain = {field.name: _plain(getattr(asked, field.name)) for field in dataclasses.fields(asked)}
    # The sentences name files below the folder.
    asked_all = [task_of(spec).dataset, str(folder), kind, plain, *(code.sha256 for code in spec.plugins)]
    return reading_key(spec.modality, spec.data_sha256, asked_all)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _by_number(sentences: dict[str, str]) -> dict[int, str]:
    return {int(index): sentence for index, sentence in sentences.items()}


def _absent(items: Items) -> Iterator[tuple[int, str]]:
    """The samples whose file is missing; one file may hold many samples."""
    path, exists = None, False
    for index in range(len(items)):
        if (file := items.file(index)) != path:
            path, exists = file, is_file(file)
        if not exists:
            yield index, f"{file}: is missing, though it is listed"


def _unreadable(items: Items, absent: dict[int, str], workers: int) -> Iterator[tuple[int, str]]:
    order = [index for index in range(len(items)) if index not in absent]
    loader: DataLoader[Any] = DataLoader(_Faults(items), batch_size=None, sampler=order, num_workers=workers)
    for index, sentence in loader:
        if sentence:
            # A fault that does not occur a second time came from the disk or the network.
            _require_bytes(items.file(int(index)))
            if again := _fault(items, int(index)):
                yield int(index), again


class _Faults(Dataset[tuple[int, str]]):
    """The fault of each sample, empty if it can be read."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __getitem__(self, index: int) -> tuple[int, str]:
        return index, _fault(self._items, index)


def _fault(items: Items, index: int) -> str:
    try:
        items.test(index)
    except UserError as error:
        return str(error)
    return ""


def _require_bytes(path: Path) -> None:
    """Raise `UserError` if the bytes of a file cannot be read: it may be undamaged."""
    try:
        file_sha256(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); fix its permissions or the disk: only damaged content is ever skipped."
        ) from error
