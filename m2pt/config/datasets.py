"""The names of the published data sets."""

from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal

from m2pt.config.base import MODALITIES

_WINGS = Path(__file__).parents[1] / "modalities"

DATASETS: tuple[str, ...] = tuple(
    name.replace("_", "-") for modality in MODALITIES for _, name, _ in iter_modules([str(_WINGS / modality / "datasets")])
)
"""The names of the files in `m2pt/modalities/<modality>/datasets/`, each of which is one data set; they are listed, not imported.

`speech_commands.py` is `speech-commands`.
"""

if TYPE_CHECKING:
    Dataset = str
else:
    Dataset = Literal[DATASETS]
