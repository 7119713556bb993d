"""The interface of every score: it takes batches, is merged over devices, and is read at the end."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from m2pt.modalities.shared.items import Item
from m2pt.training.finite import refuse_outputs


class Meter(ABC):
    """Collects what a score needs. It is picklable, and its result does not depend on the order of samples."""

    def add(self, outputs: Tensor, batch: Item) -> None:
        """Take in the outputs of a batch (float32 on the CPU, one row a sample, views averaged already) with its labels.

        Raises:
            NotFiniteError: an output is not a finite number, so its score would be arbitrary.

        """
        refuse_outputs(outputs)
        self._take(outputs, batch)

    @abstractmethod
    def _take(self, outputs: Tensor, batch: Item) -> None:
        """Take in finite outputs, of the form in the score's own docstring."""

    def each(self) -> Tensor | None:
        """The main score of each sample in the order of their coming: right or wrong, or a fraction of 1 (float64; NaN: none).

        None where the main score is no mean over samples. After a merge the order is that of the meters.
        """
        return None

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add what another meter has collected."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """The scores in percent by name, the main one first. Raises `UserError` if there is nothing to score."""
