"""Files of weights as the runs of a plan would read them: whether they fit, and what they leave open; each is read once."""

import functools
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import InputConfig, ModelConfig, UserError
from m2pt.runs.spec import WeightsRef


@dataclass(frozen=True)
class FileRead:
    """Why a file does not fit (None if it does), and sentences on what must be taken on trust."""

    misfit: str | None
    assumed: tuple[str, ...] = ()


@functools.lru_cache(maxsize=256)  # its content is part of the reference
def read_once(path: Path, reference: WeightsRef, samples: InputConfig | None, model: ModelConfig) -> FileRead:
    """Read a file as a complete encoder, or (without a form of samples) as an auxiliary."""
    from m2pt.weights.reading import read_encoder  # only where a study loads files are they opened

    try:
        weights = read_encoder(
            path,
            reference.modality,
            samples,
            model,
            parts="all" if samples is not None else "blocks",
            reading=reference.reading,
            source=reference.source,
        )
    except UserError as error:
        return FileRead(str(error))
    return FileRead(None, weights.assumed)
