"""Scores of classes for raw files, which are read and evaluated as the run's own test samples were.

Shapes: B samples, V views, K classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from m2pt.config import UserError
from m2pt.inference.trained import Trained
from m2pt.modalities.registry import SPECS
from m2pt.training.feeds import EVALUATION_BATCH, EVALUATION_VIEWS
from m2pt.training.finite import NotFiniteError
from m2pt.training.goals import Predictor
from m2pt.training.precision import autocast
from m2pt.training.wanted import wanted


@dataclass(frozen=True)
class Scored:
    """The scores of one sample, in [0, 1], by class in the order of the record; those of a classification add up to 1."""

    name: str
    """The file, and the number of the sample in it if it holds several."""

    scores: tuple[float, ...]


def predict(model: Trained, paths: Sequence[Path]) -> Iterator[Scored]:
    """The scores of every sample in some files, in their order.

    Raises:
        UserError: a file is missing, damaged or of another kind, or an output is not finite; the sentence names it.

    """
    samples, size = _samples(model, paths), _batch_size(model)
    while some := list(islice(samples, size)):
        scores_BK = scores_of(model, torch.stack([x for _, x in some]), [name for name, _ in some])
        for (name, _), scores_K in zip(some, scores_BK.tolist(), strict=True):
            yield Scored(name, tuple(scores_K))


@torch.no_grad()
def scores_of(model: Trained, x_BV: Tensor, names: Sequence[str]) -> Tensor:
    """The scores (B, K) of samples (B, V, ...), whose `names` are for messages.

    Raises:
        UserError: an output is not finite.

    """
    spec, cpu = model.spec, torch.device("cpu")
    several = x_BV.shape[1] > 1
    try:
        with autocast(spec.finetune.precision, cpu):
            outputs_BK = Predictor(model.model, spec, len(model.classes), cpu)({"x": x_BV})
    except NotFiniteError as error:
        raise UserError(f"{names[0]}: or a file after it gives an output that is not finite ({error}).") from error
    if spec.goal == "tagging":
        return outputs_BK if several else outputs_BK.sigmoid()
    are_probabilities = several and SPECS[spec.modality].views_averaged_as == "probabilities"
    return outputs_BK if are_probabilities else outputs_BK.softmax(dim=1)


def _batch_size(model: Trained) -> int:
    """How many samples are evaluated at once, as in the run."""
    if model.spec.task is None:
        return EVALUATION_BATCH
    test = model.spec.finetune.test
    return max(1, EVALUATION_VIEWS // (test.clips * test.crops * test.votes))


def _samples(model: Trained, paths: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Each sample (V, ...) with its name."""
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: is no file; name files of the modality {model.spec.modality}.")
        samples = _read(model, path)
        for number, x in enumerate(samples):
            yield (str(path) if len(samples) == 1 else f"{path}:{number}"), x


def _read(model: Trained, path: Path) -> list[Tensor]:
    spec, modality = model.spec, SPECS[model.spec.modality]
    if spec.task is not None:
        return modality.file(path, wanted(spec))
    return list(torch.from_numpy(modality.small_file(path, spec.input)).unsqueeze(1))
