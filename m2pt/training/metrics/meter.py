"""What every score offers: it is fed by batches, joined over devices, and read at the end."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from m2pt.modalities.items import Item


class Meter(ABC):
    """Collects what a score needs. Picklable, and independent of the order in which samples come."""

    @abstractmethod
    def add(self, outputs: Tensor, batch: Item) -> None:
        """Take in the outputs of a batch (float32 on the CPU, one row a sample, views averaged already) beside its labels."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what another meter has collected."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """The scores in percent by name, the main one first."""
