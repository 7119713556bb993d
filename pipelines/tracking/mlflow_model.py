"""A served model in MLflow's own format, for runs that are published and for an export."""

import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.models.utils import _save_example
from mlflow.types import Schema, TensorSpec

from m2pt.config import UserError
from m2pt.export.noise import noise
from m2pt.export.written import Written
from pipelines.tracking import served_model
from pipelines.tracking.served_model import ServedModel, of_run

MODEL = "model"
"""The folder of a run's model among its artifacts."""

_USAGE = """import mlflow

model = mlflow.pyfunc.load_model("FOLDER")  # needs m2pt
logits = model.predict(samples)  # NumPy arrays"""


def describe(folder: Path, model: ServedModel, data: str, mlflow_id: str | None = None) -> None:
    """Write what MLflow has to know of a model whose files are in `folder` / `data`, with its signature and an input example."""
    kind = np.dtype("float32")
    inputs = Schema([TensorSpec(kind, (-1, *model.input.sample_shape))])
    outputs = Schema([TensorSpec(kind, (-1, model.classes))])
    written = Model(artifact_path=MODEL, run_id=mlflow_id, signature=ModelSignature(inputs, outputs))
    written.add_flavor(
        "python_function", loader_module=served_model.__name__, data=data, python_version=platform.python_version()
    )
    save_example: Any = _save_example
    save_example(written, noise(model.modality, model.input, 1), str(folder))
    written.save(str(folder / "MLmodel"))


def write_model(run_dir: Path, folder: Path) -> Written:
    """Write the final model of a run as MLflow's, with an input example; as `m2pt.export.formats.Writer`.

    Raises:
        UserError: the model cannot be served: it is not plain, or of a data set whose samples have several views.

    """
    import mlflow.pyfunc  # this and torch take seconds, and who publishes runs that are published already needs no model
    import torch

    from m2pt.export.as_graph import takes
    from m2pt.export.examples import difference, examples, own_logits
    from m2pt.inference.trained import trained

    model = trained(run_dir)
    served = of_run(model.spec, run_dir)
    if served is None:
        raise UserError(f"{run_dir.name}: MLflow serves the models of small data sets alone; export to onnx or torch-export.")
    data = folder / run_dir.name  # a record bears the name of its folder
    data.mkdir()
    for path in served.files:
        shutil.copyfile(path, data / path.name)
    x = examples(model)
    describe(folder, served, data.name)
    loaded = mlflow.pyfunc.load_model(str(folder))
    theirs = torch.from_numpy(loaded.predict(x.numpy()))
    return Written(takes(model), _USAGE, ("mlflow", "torch"), difference(own_logits(model, x), theirs))
