"""The names of the data sets: the published ones, and one's own files."""

from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, get_args

from m2pt.config.base import MODALITIES
from m2pt.config.files import OwnDataset

_WINGS = Path(__file__).parents[1] / "modalities"

DATASETS: tuple[str, ...] = tuple(
    name.replace("_", "-") for modality in MODALITIES for _, name, _ in iter_modules([str(_WINGS / modality / "datasets")])
)
"""The names of the files in `m2pt/modalities/<modality>/datasets/`, each of which is one data set; they are listed, not imported.

`speech_commands.py` is `speech-commands`.
"""

OWN_DATASETS: tuple[str, ...] = get_args(OwnDataset)
"""One's own files, of any modality: in class folders, or listed in a table (`m2pt.config.FilesConfig`)."""

if TYPE_CHECKING:
    Dataset = str
else:
    Dataset = Literal[(*DATASETS, *OWN_DATASETS)]
