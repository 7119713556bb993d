"""Which files of a split can be read: looked at once for each state of the data, then remembered."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from m2pt.config import UserError
from m2pt.modalities.items import Items
from m2pt.records import read_json, write_json


class _Faults(Dataset[tuple[int, str]]):
    """The fault of each sample, empty where it can be read."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __getitem__(self, index: int) -> tuple[int, str]:
        try:
            self._items.test(index)
        except UserError as error:
            return index, str(error)
        return index, ""


def unreadable(items: Items, memory: Path, workers: int) -> dict[int, str]:
    """The samples that cannot be read, with a sentence each; remembered in the file `memory`, whose name identifies the data."""
    if memory.is_file():
        return {int(index): sentence for index, sentence in read_json(memory).items()}
    loader: DataLoader[Any] = DataLoader(_Faults(items), batch_size=None, sampler=range(len(items)), num_workers=workers)
    found = {int(index): sentence for index, sentence in loader if sentence}
    write_json(memory, {str(index): sentence for index, sentence in found.items()})
    return found


def without(kept: Tensor, faults: dict[int, str]) -> Tensor:
    """Indices without those of samples that cannot be read."""
    if not faults:
        return kept
    return kept[~torch.isin(kept, torch.tensor(sorted(faults)))]
