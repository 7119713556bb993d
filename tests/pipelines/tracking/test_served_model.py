"""The models of runs as MLflow's own `pyfunc` loads them, beside the same weights used directly by torch."""

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException
from safetensors.torch import load_file

from m2pt import job
from m2pt.config import AudioInput, EmbeddedData, FinetuneConfig, ImageInput, PathwayConfig, PointInput, VideoInput
from m2pt.data.fingerprints import fingerprint
from m2pt.modalities.registry import SPECS
from m2pt.models.model import Model, fresh
from m2pt.runs.folder import HISTORY, MERGED, RECORD, SPEC, create_run, read_spec
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, read_inputs, write_inputs
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import RunSpec
from m2pt.training import finetune
from m2pt.training.sources import read_split
from pipelines.tracking.mlflow_store import tracking_uri
from tests.pipelines.tracking.mlflow_view import new_client, new_publisher, run_of
from tests.specs import run_spec

INPUTS = {"image": ImageInput(), "audio": AudioInput(), "point": PointInput(), "video": VideoInput()}
SIZES = EmbeddedData(pretrain=20, train=40, val=20, test=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Real small data of a modality, made once."""
    root = tmp_path_factory.mktemp("data")

    def folder(modality: str) -> Path:
        if not (root / modality).exists():
            SPECS[modality].embedded().write(root / modality, SIZES)
        return root / modality

    return folder


def trained(project: Path, folder: Path, modality: str, method: str) -> tuple[RunSpec, Path]:
    """A real run of two epochs."""
    joins = method != "baseline"
    spec = run_spec(
        target=modality,
        modality=modality,
        input=INPUTS[modality],
        method=method,
        auxiliary="random" if joins else "",
        setting="scratch",
        finetune=FinetuneConfig(samples=20, epochs=2, batch_size=10, warmup_steps=1),
        pathway=PathwayConfig() if joins else None,
        target_weights=None,
        auxiliary_weights=None,
        data_sha256=fingerprint(folder, folder.parent / "cache"),
    )
    run_dir = create_run(project / "runs", spec)
    write_inputs(run_dir, JobInputs(data=str(folder), cache=str(folder.parent / "cache")))
    assert job.run(run_dir) is None
    return spec, run_dir


@pytest.mark.parametrize(
    ("modality", "method"), [*((modality, "random_auxiliary") for modality in INPUTS), ("image", "baseline")]
)
def test_a_loaded_model_gives_the_logits_of_the_trained_one(
    project: Path, data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, modality: str, method: str
) -> None:
    before_merge: list[Model] = []
    merge = finetune.merge

    def seen(spec, model, *others):  # the trained model itself, with its pathway still apart
        before_merge.append(copy.deepcopy(model))
        return merge(spec, model, *others)

    monkeypatch.setattr(finetune, "merge", seen)
    spec, run_dir = trained(project, data(modality), modality, method)
    with new_publisher() as publisher:
        publisher.publish(spec, run_dir)
    client = new_client()
    run = run_of(client, spec)
    beside = {item.path for item in client.list_artifacts(run.info.run_id)}
    within = {Path(item.path).name for item in client.list_artifacts(run.info.run_id, f"model/{run_id(spec)}")}
    assert within == {SPEC, RECORD, MERGED} and not within & beside  # each file once
    assert {"model", HISTORY} <= beside
    mlflow.set_tracking_uri(tracking_uri())
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    test = read_split(spec.modality, read_spec(run_dir), "test", read_inputs(run_dir))
    logits = loaded.predict(test.x.numpy())
    assert logits.shape == (20, 10) and logits.dtype == np.float32

    plain = fresh(spec, 10).eval()
    plain.load_state_dict(load_file(run_dir / MERGED))
    with torch.no_grad():
        assert np.array_equal(logits, plain(test.x).numpy())
        # Without the merge, a layer sums x W and x W_aux scaled, in another order: equal only as far as float32 goes.
        torch.testing.assert_close(torch.from_numpy(logits), before_merge[0].eval()(test.x), rtol=1e-4, atol=1e-5)
    assert (
        sum(p.numel() for p in plain.parameters()) < sum(p.numel() for p in before_merge[0].parameters()) or method == "baseline"
    )

    record = read_record(run_dir, FinetuneRecord)
    right = logits.argmax(axis=1) == test.y.numpy()
    assert 100 * right.mean() == pytest.approx(record.test_score)
    each = read_sample_scores(run_dir, record)
    assert each is not None and np.array_equal(right, np.asarray(each, dtype=bool))

    (inputs,), (outputs,) = loaded.metadata.signature.inputs.inputs, loaded.metadata.signature.outputs.inputs
    example = loaded.input_example
    assert example.shape == (1, *test.x.shape[1:]) and loaded.predict(example).shape == (1, 10)
    assert (inputs.shape, outputs.shape) == ((-1, *test.x.shape[1:]), (-1, 10))
    wrong = test.x.numpy()[..., :2]
    with pytest.raises(MlflowException) as caught:
        loaded.predict(wrong)
    assert f"Shape of input {wrong.shape} does not match expected shape {inputs.shape}" in str(caught.value)


_DESCRIBE = """
import sys
from pathlib import Path
from m2pt.runs.folder import read_spec
from pipelines.tracking.mlflow_model import describe
from pipelines.tracking.publication import read_publication

run_dir = Path(sys.argv[1])
model = read_publication(read_spec(run_dir), run_dir, weights_limit_bytes=2**24).model
Path("model", run_dir.name).mkdir(parents=True)
describe(Path("model"), model, run_dir.name)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("method", ["random_auxiliary", "baseline"])
def test_a_model_is_published_beside_runs_without_the_seconds_that_torch_takes(
    project: Path, data: Callable[[str], Path], method: str
) -> None:
    _, run_dir = trained(project, data("image"), "image", method)
    done = subprocess.run([sys.executable, "-c", _DESCRIBE, str(run_dir)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
    assert Path("model/MLmodel").is_file()
