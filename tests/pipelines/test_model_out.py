"""The model out by the command line: the card with its study's evidence, and the best of a target in MLflow's registry."""

import re
import shutil
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from scipy import stats

from m2pt.config.study_file import load_study
from m2pt.inference.trained import trained
from m2pt.runs.folder import RECORD
from m2pt.runs.identity import run_id
from pipelines.__main__ import main
from pipelines.planning.plan import resolve
from pipelines.tracking.mlflow_store import tracking_uri
from tests.finished_runs import finish
from tests.pipelines.tracking.conftest import empty_database as empty_database  # the fixture

STUDY = """
study: own
data: {root: data}
model: {width: 24, depth: 2, heads: 2}
encoders: {}
finetune: {samples: 8, batch_size: 4, epochs: 1}
sweep: {seeds: [0, 1, 2], targets: [image], auxiliaries: [], methods: [baseline, random_auxiliary], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
"""
VAL = {"baseline": (60.0, 63.0, 61.0), "random_auxiliary": (62.0, 66.0, 64.0)}
TEST = {"baseline": (71.0, 50.0, 73.0), "random_auxiliary": (72.0, 53.0, 72.5)}
"""By seed. The highest test score is not that of the highest validation score."""


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pictures, a study of two methods on them with three seeds, and its complete runs."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, "mlflow.db")
    Path("params.yaml").write_text(STUDY)
    for split in ("pretrain", "train", "val", "test"):
        for name, number in ((name, number) for name in ("first", "second", "third") for number in range(4)):
            path = Path(f"data/image/{split}/{name}/{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16), 60 * len(name) % 251 + number, np.uint8)).save(path)
    for spec in resolve(load_study("params.yaml")).runs:
        scores = {"val_score": VAL[spec.method][spec.seed], "test_score": TEST[spec.method][spec.seed]}
        finish(Path("runs/own"), spec, scores | {"test_scores": {"accuracy": scores["test_score"]}})
    return tmp_path


def run_of(method: str, seed: int) -> str:
    (spec,) = [spec for spec in resolve(load_study("params.yaml")).runs if (spec.method, spec.seed) == (method, seed)]
    return run_id(spec)


def test_a_card_has_the_gain_of_its_cell_with_its_interval(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = run_of("random_auxiliary", 1)
    assert main(["export", name, "--to", "timm"]) == 0
    out = Path(f"build/exports/{name}-timm")
    assert re.fullmatch(rf"{name}: is in {out} as timm, with logits within \S+ of the run's own; {out}/README.md is its card.\n",
                        capsys.readouterr().out)  # fmt: skip
    card = (out / "README.md").read_text()
    gains = np.subtract(TEST["random_auxiliary"], TEST["baseline"])
    width = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / 3**0.5
    assert f"| this cell | no auxiliary | +{gains.mean():.2f} ± {width:.2f} | 3 seeds |" in card
    spec = next(spec for spec in resolve(load_study("params.yaml")).runs if run_id(spec) == name)
    for fact in (spec.data_sha256, "test accuracy 53.00 %", "validation accuracy 66.00 %", "_to be filled in", f"# {name}"):
        assert fact in card
    assert main(["export", name, "--to", "timm"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert not Path("runs/looks.jsonl").exists(), "random weights alone answer no question"


def test_a_card_says_why_it_knows_nothing_of_other_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = run_of("baseline", 0)
    Path("runs/own").rename("runs/elsewhere")
    assert main(["export", name, "--to", "safetensors", "--out", "out"]) == 0
    assert "Nothing is said here of other runs: no study file" in Path("out/README.md").read_text()
    capsys.readouterr()
    assert main(["export", name, "--to", "safetensors", "--out", "other", "--study", "params.yaml"]) == 2
    assert "params.yaml: is the study of runs/own, and the run is in runs/elsewhere" in capsys.readouterr().err
    assert not Path("other").exists()


def test_the_best_by_validation_is_registered_once_and_the_alias_follows(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = run_of("random_auxiliary", 1)  # of the lowest test score of its method
    client = MlflowClient(tracking_uri(), tracking_uri())
    for _ in range(2):
        assert main(["publish", "--register"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"own.image: version 1 is {best} (alias best)."
    assert [version.version for version in client.search_model_versions("name = 'own.image'")] == [1]
    version = client.get_model_version_by_alias("own.image", "best")
    assert version.tags["m2pt.run_id"] == best and "test accuracy 53.00 %, which played no part" in version.description
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.set_registry_uri(tracking_uri())
    model, x = trained(Path("runs/own") / best).model, torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        assert np.array_equal(mlflow.pyfunc.load_model("models:/own.image@best").predict(x.numpy()), model(x).numpy())

    (Path("runs/own") / best / RECORD).unlink()  # it is no longer complete, and another one is the best
    second = run_of("random_auxiliary", 2)
    assert main(["publish", "--register"]) == 0
    assert f"own.image: version 2 is {second} (alias best)." in capsys.readouterr().out
    assert client.get_model_version_by_alias("own.image", "best").tags["m2pt.run_id"] == second
    assert client.get_model_version("own.image", "1").tags["m2pt.run_id"] == best, "what somebody may have pinned stays"


def test_a_registered_run_survives_the_freeing_of_space(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--register"]) == 0
    client = MlflowClient(tracking_uri(), tracking_uri())
    version = client.get_model_version_by_alias("own.image", "best")
    others = {run.info.run_id for run in client.search_runs([client.get_experiment_by_name("own").experiment_id])}
    for run in others:
        client.delete_run(run)
    capsys.readouterr()
    assert main(["gc", "--only", "mlflow", "--delete"]) == 0
    assert "mlflow.db: 1 deleted run that MLflow's registry names stay; delete the versions first." in capsys.readouterr().out
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.set_registry_uri(tracking_uri())
    assert mlflow.pyfunc.load_model("models:/own.image@best").metadata.run_id == version.run_id
    assert client.get_run(version.run_id).info.lifecycle_stage == "deleted"


def test_nothing_is_registered_where_no_run_can_be_and_with_another_tracker(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("M2PT_TRACKER", "lines")
    assert main(["publish", "--register"]) == 2
    assert "--register: the registry is MLflow's, and M2PT_TRACKER chooses another tracker" in capsys.readouterr().err
    monkeypatch.delenv("M2PT_TRACKER")
    for record in Path("runs/own").glob(f"*/{RECORD}"):
        record.unlink()
    assert main(["publish", "--register"]) == 0
    said = "own.image: has no complete run with a validation score whose model MLflow keeps."
    assert capsys.readouterr().out.splitlines()[-1] == said
    assert MlflowClient(tracking_uri(), tracking_uri()).search_registered_models() == []
