"""What every score offers: it is fed by batches, joined over devices, and read at the end."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from m2pt.modalities.shared.items import Item
from m2pt.training.finite import refuse_outputs


class Meter(ABC):
    """Collects what a score needs. Picklable, and independent of the order in which samples come."""

    def add(self, outputs: Tensor, batch: Item) -> None:
        """Take in the outputs of a batch (float32 on the CPU, one row a sample, views averaged already) beside its labels.

        Raises:
            NotFiniteError: an output is no finite number; what it would be scored as is chance.

        """
        refuse_outputs(outputs)
        self._take(outputs, batch)

    @abstractmethod
    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in outputs that are finite, of the form that the score's own docstring says."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what another meter has collected."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """The scores in percent by name, the main one first. Raises `UserError` where there is nothing to score."""
