"""The plain model that a run left behind, in the form in which MLflow loads it: `mlflow.pyfunc.load_model("runs:/ID/model")`.

MLflow finds `_load_pyfunc` by its name; nothing here needs MLflow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from m2pt.config import FinetuneConfig, InputConfig, Modality, ModelConfig
from m2pt.runs.folder import MERGED, RECORD, SPEC, read_spec
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec

if TYPE_CHECKING:
    from m2pt.models.model import Model


@dataclass(frozen=True)
class ServedModel:
    """The files of a model, the samples that it reads, and how many classes it tells apart."""

    files: tuple[Path, ...]
    modality: Modality
    input: InputConfig
    classes: int


def served_model(spec: RunSpec, run_dir: Path, limit_bytes: int) -> ServedModel | None:
    """The model of a complete run, if it can be served.

    None for weights above `limit_bytes`, for published data sets, whose samples have several views, and for a model that a
    method could not make plain.
    """
    weights = run_dir / MERGED
    return of_run(spec, run_dir) if weights.is_file() and weights.stat().st_size <= limit_bytes else None


def of_run(spec: RunSpec, run_dir: Path) -> ServedModel | None:
    """The same, of any size."""
    if spec.task is not None:
        return None
    read_spec(run_dir)  # which goes along
    record, weights = read_record(run_dir, FinetuneRecord), run_dir / MERGED
    classes, shapes = len(record.classes), _shapes(weights)
    if not classes or shapes is None or not (_is_known_plain(spec, record) or shapes == _plain_shapes(spec, classes)):
        return None
    return ServedModel((run_dir / SPEC, run_dir / RECORD, weights), spec.modality, spec.input, classes)


class PlainModel:
    """A model that MLflow can call."""

    def __init__(self, model: "Model") -> None:
        self.model = model.eval()

    def predict(self, model_input: NDArray[np.float32], params: Mapping[str, Any] | None = None) -> NDArray[np.float32]:
        """Logits (B, classes) of samples (B, ...) in the form of `m2pt.modalities.shared.samples.Samples.x`."""
        import torch  # who publishes runs that are published already needs no model

        with torch.no_grad():
            logits: NDArray[np.float32] = self.model(torch.from_numpy(np.ascontiguousarray(model_input))).float().numpy()
        return logits


def _load_pyfunc(path: str) -> PlainModel:
    """The model of a folder with the files of `ServedModel`."""
    from m2pt.inference.trained import trained

    return PlainModel(trained(Path(path)).model)


def _is_known_plain(spec: RunSpec, record: FinetuneRecord) -> bool:
    """Whether the model is plain without a look: a merge ends with loading its weights into a plain one, a baseline adds none.

    To build a plain model to compare with takes torch, and seconds.
    """
    return record.merge is not None or spec.method == "baseline"


def _shapes(weights: Path) -> dict[str, tuple[int, ...]] | None:
    """The shapes of the tensors in a file, by name; None where it cannot be read."""
    try:
        with safe_open(weights, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except (OSError, SafetensorError):
        return None


def _plain_shapes(spec: RunSpec, classes: int) -> dict[str, tuple[int, ...]]:
    return _shapes_of(spec.modality, spec.input, spec.model, spec.finetune, classes)


@lru_cache  # the runs of a study have few forms, and to make one takes as long as everything else that is read of a run
def _shapes_of(
    modality: Modality, of_input: InputConfig, config: ModelConfig, recipe: FinetuneConfig, classes: int
) -> dict[str, tuple[int, ...]]:
    import torch

    from m2pt.models.model import fold, of_recipe

    with torch.random.fork_rng(devices=[]):
        model = of_recipe(modality, of_input, config, recipe, classes)
    fold(model, config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
