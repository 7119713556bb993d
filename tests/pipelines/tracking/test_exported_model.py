"""A run exported as MLflow's model, as MLflow loads it: with a signature and an input example, for every modality."""

from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException

from m2pt.config import FinetuneConfig, ModelConfig, UserError
from m2pt.export.formats import export
from m2pt.inference.trained import trained
from m2pt.runs.spec import TaskSpec
from pipelines.tracking.mlflow_model import write_model
from tests.finished_runs import INPUTS, finished_run
from tests.specs import MODEL

CONVNET = ModelConfig(family="unireplknet", width=16, stages=((3,), (7,)))


@pytest.mark.parametrize("config", [MODEL, CONVNET], ids=lambda config: config.family)
@pytest.mark.parametrize("modality", INPUTS)
def test_mlflow_loads_it_with_signature_and_input_example(modality: str, config: ModelConfig, tmp_path: Path) -> None:
    run_dir, out = finished_run(tmp_path / "runs/study", modality, model=config), tmp_path / "of mine"
    export(run_dir, out, "mlflow", write_model, "Nothing is known.")
    model, loaded = trained(run_dir).model, mlflow.pyfunc.load_model(str(out))
    shape = INPUTS[modality].sample_shape
    for count in (1, 4):
        x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            assert np.array_equal(loaded.predict(x.numpy()), model(x).numpy())
    example = loaded.input_example
    assert example.shape == (1, *shape) and loaded.predict(example).shape == (1, 3)
    (inputs,) = loaded.metadata.signature.inputs.inputs
    assert inputs.shape == (-1, *shape)
    with pytest.raises(MlflowException, match="does not match expected shape"):
        loaded.predict(x.numpy()[..., :2])


def test_a_model_of_several_views_is_refused_in_a_sentence(tmp_path: Path) -> None:
    task = TaskSpec(
        dataset="imagenet", goal="classification", variant=None, recipe="R", holdout=0.0, unreadable="fail", max_unreadable=None
    )
    recipe = FinetuneConfig(samples="all", epochs=1, batch_size=4, augment=False)
    run_dir = finished_run(tmp_path / "runs/study", task=task, target="pictures", finetune=recipe)
    with pytest.raises(UserError, match="MLflow serves the models of small data sets alone"):
        export(run_dir, tmp_path / "out", "mlflow", write_model, "Nothing is known.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
