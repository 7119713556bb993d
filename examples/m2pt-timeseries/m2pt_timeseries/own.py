"""One's own series, one in each file."""

from pathlib import Path

from m2pt.modalities.own.dataset import OwnFiles, OwnSplit
from m2pt.modalities.own.targets import targets
from m2pt.modalities.shared.wanted import Wanted
from m2pt_timeseries.items import SeriesItems, sections
from m2pt_timeseries.series import Series, read_series


class OwnSeries(SeriesItems):
    """One split, read file by file."""

    def __init__(self, own: OwnSplit, wanted: Wanted) -> None:
        super().__init__(own.listed_in, wanted, own.classes, targets(own, wanted.goal))
        self._own = own

    def file(self, index: int) -> Path:
        """As `Items.file`."""
        return self._own.file(index)

    def series(self, index: int) -> Series:
        """As `SeriesItems.series`."""
        return read_series(self._own.member(index))


def _require_possible(wanted: Wanted) -> None:
    sections("tasks: one's own series", wanted)


OWN = OwnFiles((".tsv", ".csv"), OwnSeries, _require_possible)
