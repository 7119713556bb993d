"""The weights of a study's encoders that exist already: where they are, whether they fit its runs, and what they leave open."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import GivenSource, InputConfig, Modality, ModelConfig, Study, TimmSource, UserError, refuses_unknown
from m2pt.runs.spec import EncoderKey, WeightsRef
from m2pt.weights.given import fetch, path_of
from m2pt.weights.shards import weights_file
from pipelines.planning.grid import encoders_used


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


def encoder_files(study: Study) -> tuple[dict[EncoderKey, Path], dict[str, Path]]:
    """The declared files of weights that exist, and those that do not, by their keys in the study file."""
    present: dict[EncoderKey, Path] = {}
    missing: dict[str, Path] = {}
    for encoder in encoders_used(study):
        source = study.encoders[encoder.source]
        if isinstance(source, GivenSource):
            key = f"encoders.{encoder.source}.{source.key(encoder.modality)}"
            if encoder.modality not in source.places:
                raise UserError(f"{key}: {without_weights(source, encoder.modality)}.")
            path = path_of(source, encoder.modality)
            if path.exists():
                present[encoder] = weights_file(path)
            else:
                missing[key] = path
    return present, missing


@refuses_unknown
def without_weights(source: GivenSource, modality: Modality) -> str:
    """Why an encoder of a modality cannot be loaded from a source that has none of it."""
    if isinstance(source, TimmSource):
        return f"is {source.modality}, but the sweep uses this encoder for {modality}; correct it, or name another encoder"
    return "is missing, but the sweep uses this encoder; add its path"


def fetch_missing(study: Study, missing: Mapping[str, Path]) -> bool:
    """Download what is missing of the weights of a study that can be; returns whether anything is there that was not.

    Raises:
        UserError: weights are missing that are the user's to put there, or they cannot be downloaded.

    """
    ours = {f"encoders.{name}.name": source for name, source in study.encoders.items() if isinstance(source, TimmSource)}
    if absent := {key: path for key, path in missing.items() if key not in ours}:
        listed = ", ".join(f"{key} ({path})" for key, path in absent.items())
        raise UserError(f"these files of weights do not exist: {listed}; fetch them, or correct the paths.")
    for key in missing:
        fetch(ours[key])
    return bool(missing)
