"""The names of the data sets: the published ones, and one's own files."""

from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, get_args

from m2pt.config.base import BUILT_IN_MODALITIES
from m2pt.config.entry_points import further
from m2pt.config.files import OwnDataset

_WINGS = Path(__file__).parents[1] / "modalities"

_BUILT_IN = tuple(
    name.replace("_", "-")
    for modality in BUILT_IN_MODALITIES
    for _, name, _ in iter_modules([str(_WINGS / modality / "datasets")])
)

OWN_DATASETS: tuple[str, ...] = get_args(OwnDataset)
"""One's own files, of any modality: in class folders, or listed in a table (`m2pt.config.FilesConfig`)."""

FURTHER_DATASETS = further("m2pt.datasets", (*_BUILT_IN, *OWN_DATASETS))

DATASETS: tuple[str, ...] = (*_BUILT_IN, *FURTHER_DATASETS.plugins)
"""The names of the files in `m2pt/modalities/<modality>/datasets/`, each of which is one data set, and of those that plugins add.

`speech_commands.py` is `speech-commands`. They are listed, not imported.
"""

if TYPE_CHECKING:
    Dataset = str
else:
    Dataset = Literal[(*DATASETS, *OWN_DATASETS)]
