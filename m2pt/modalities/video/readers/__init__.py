"""Readers of published video data sets by name."""

from m2pt.config import Dataset
from m2pt.modalities.items import Reader
from m2pt.modalities.video.readers.kinetics import open_kinetics

READERS: dict[Dataset, Reader] = {"kinetics": open_kinetics}
