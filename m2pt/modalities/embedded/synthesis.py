"""What the embedded data sets share: random draws per split, balanced labels, optional packages, the source note.

Byte-identical files on every machine: all drawing is float64 and is rounded to integers (or a decimal grid) before it is
written, so that the last bit of a cosine, which differs between processors, has no effect.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2pt.config import EmbeddedData, Modality, UserError, refuses_unknown
from m2pt.modalities.embedded.sizes import NUM_CLASSES
from m2pt.runs.identity import derived_seed


@refuses_unknown
def generator(sizes: EmbeddedData, modality: Modality, split: str) -> np.random.Generator:
    """The random draws of one split, shared with no other split, modality or seed."""
    return np.random.default_rng(derived_seed(sizes.seed, "embedded", modality, split))


def balanced_labels(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count,) labels in random order, every class equally often (or once more)."""
    return rng.permutation(np.arange(count, dtype=np.int64) % NUM_CLASSES)


def optional_package(name: str) -> Any:
    """A module that only the embedded data need.

    Raises:
        UserError: it is not installed.

    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = {"sklearn": "scikit-learn", "espeakng_loader": "espeakng-loader"}.get(name.partition(".")[0], name)
        raise UserError(f"{package}, which makes the embedded data, is missing; run: pip install 'm2pt[embedded]'.") from error


def write_lines(path: Path, lines: list[str]) -> None:
    """Write text lines, each ended by a newline, the same bytes on every system."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
