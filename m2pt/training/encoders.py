"""The encoders that a run starts from: its target's and its auxiliaries', read from their files or drawn from its seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from m2pt.config import UserError
from m2pt.methods import METHODS
from m2pt.modalities.shared.tokenizer import Tokenizer
from m2pt.models.encoder import Encoder, SampleEncoder, random_encoder
from m2pt.models.model import Model, fresh
from m2pt.runs.identity import drawn_seed
from m2pt.runs.record import LoadedFile
from m2pt.runs.spec import RunSpec, WeightsRef
from m2pt.weights.reading import LoadedWeights, load_encoder, read_encoder
from m2pt.weights.saved import load_into
from m2pt.weights.shards import check_content


def load_target(model: Model, spec: RunSpec, reference: WeightsRef, path: Path | None) -> LoadedFile:
    """Load the target's encoder into a run's model; returns how its file was read, for the record.

    Raises:
        UserError: the file is not given, has changed, or does not match the model.

    """
    path = _checked(path, reference, spec, "target")
    loaded = read_encoder(path, spec.modality, spec.input, spec.model, reading=reference.reading, source=reference.source)
    left = load_encoder(model, loaded, str(path))
    return _reading("target", reference, loaded, left)


def auxiliaries(
    spec: RunSpec, paths: Sequence[Path], loaded_files: list[LoadedFile], auxiliary_classes: int | None = None
) -> list[Encoder]:
    """The encoders that the method takes besides the target, from their files; drawn from the seed if the source is random.

    How their files were read is added to `loaded_files`. `auxiliary_classes` is the number of classes in the samples of the
    auxiliary's modality, for a method that trains with them.

    Raises:
        UserError: a file is not given, has changed, or does not match the model.

    """
    references = spec.auxiliary_refs
    if not references:
        names = spec.auxiliary.split("+") if METHODS[spec.method].loads_auxiliaries else []
        seeds = [drawn_seed(spec, "random auxiliary", name) for name in names]
        if METHODS[spec.method].reads_auxiliary_samples:
            return [_random_with_tokenizer(spec, seed, auxiliary_classes) for seed in seeds]
        return [random_encoder(spec.auxiliary_model, seed) for seed in seeds]
    given: tuple[Path | None, ...] = tuple(paths) or (None,) * len(references)
    if METHODS[spec.method].reads_auxiliary_samples:
        return [_with_tokenizer(spec, references[0], given[0], loaded_files, auxiliary_classes)]
    return [_auxiliary(spec, reference, path, loaded_files) for reference, path in zip(references, given, strict=True)]


def _blank(spec: RunSpec, auxiliary_classes: int | None) -> SampleEncoder:
    """A fresh encoder with a tokenizer for the samples of the auxiliary's modality, from torch's global generator."""
    if spec.auxiliary_data is None or auxiliary_classes is None:
        raise ValueError(f"{spec.name}: the samples of the auxiliary's modality are not given")
    return SampleEncoder(spec.model, spec.auxiliary, spec.auxiliary_data.input, auxiliary_classes)


def _random_with_tokenizer(spec: RunSpec, seed: int, auxiliary_classes: int | None) -> SampleEncoder:
    """The same blocks as `random_encoder`, and a tokenizer that is drawn after them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _blank(spec, auxiliary_classes)


def _with_tokenizer(
    spec: RunSpec, reference: WeightsRef, given: Path | None, loaded_files: list[LoadedFile], auxiliary_classes: int | None
) -> SampleEncoder:
    path = _checked(given, reference, spec, "auxiliary")
    with torch.random.fork_rng(devices=[]):
        encoder = _blank(spec, auxiliary_classes)
    samples = spec.auxiliary_data.input if spec.auxiliary_data else None
    loaded = read_encoder(path, reference.modality, samples, spec.model, reading=reference.reading, source=reference.source)
    left = load_encoder(encoder, loaded, str(path))
    loaded_files.append(_reading("auxiliary", reference, loaded, left))
    return encoder


def _auxiliary(spec: RunSpec, reference: WeightsRef, given: Path | None, loaded_files: list[LoadedFile]) -> Encoder:
    path = _checked(given, reference, spec, "auxiliary")
    loaded = read_encoder(
        path, reference.modality, None, spec.auxiliary_model, parts="blocks", reading=reference.reading, source=reference.source
    )
    encoder = Encoder(spec.auxiliary_model)
    load_into(encoder.blocks, loaded.tensors, "blocks.", str(path))
    loaded_files.append(_reading("auxiliary", reference, loaded))
    return encoder


def tokenizer_of(spec: RunSpec, reference: WeightsRef, path: Path | None) -> Tokenizer:
    """The tokenizer that an encoder of the target's own modality was pretrained with, for samples in the run's form.

    Raises:
        UserError: the file is not given, has changed, or does not match the model.

    """
    path = _checked(path, reference, spec, "auxiliary")
    loaded = read_encoder(path, spec.modality, spec.input, spec.model, reading=reference.reading, source=reference.source)
    with torch.random.fork_rng(devices=[]):
        model = fresh(spec, 2, 2)
    load_encoder(model, loaded, str(path))
    return model.tokenizer


def _checked(path: Path | None, reference: WeightsRef, spec: RunSpec, role: str) -> Path:
    if path is None:
        raise UserError(f"{spec.name}: the path of the {role}'s weights is not given in local/inputs.json.")
    check_content(path, reference.sha256)
    return path


def _reading(
    role: Literal["target", "auxiliary"], reference: WeightsRef, loaded: LoadedWeights, left: Sequence[str] | None = None
) -> LoadedFile:
    return LoadedFile(
        role=role,
        source=reference.source,
        modality=reference.modality,
        left=None if left is None else tuple(left),
        **loaded.facts(),
    )
