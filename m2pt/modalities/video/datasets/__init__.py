"""Readers of published video data sets by name."""

from m2pt.config import Dataset, refuses_unknown
from m2pt.modalities.shared.items import Reader, Wanted
from m2pt.modalities.video.datasets.kinetics import open_kinetics, sections

READERS: dict[Dataset, Reader] = {"kinetics": open_kinetics}


@refuses_unknown
def require_possible(dataset: Dataset, wanted: Wanted) -> None:
    """Look at what is wanted of a data set, without its files. Raises `UserError` where it cannot be had, whatever they hold."""
    sections(dataset, wanted)
