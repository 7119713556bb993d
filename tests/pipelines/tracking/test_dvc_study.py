"""A study in a git repository, done and varied by DVC's own commands; MLflow's own client shows what was tracked."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from m2pt.files.documents import read_json
from m2pt.runs.folder import EXECUTION, RECORD
from tests.faults.damage import DAMAGES
from tests.waiting import comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(3600)]  # several studies, each with a start of Prefect

ROOT = Path(__file__).parents[3]
TRACKED = (".dvc", ".dvcignore", ".gitignore", "dvc.yaml", "m2pt", "pipelines")
LEFT = shutil.ignore_patterns("tmp", "cache", "config.local", "__pycache__")
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")

STUDY = """
study: embedded
data: {root: data, embedded: {pretrain: 20, train: 20, val: 20, test: 20}}
inputs: {}
model: {width: 16, depth: 2, heads: 2}
encoders: {mae: {kind: mae}}
pretrain: {mae: {batch_size: 10, steps: 2, warmup_steps: 1}}
finetune: {batch_size: 10, samples: 20, epochs: 1, warmup_steps: 1, learning_rate: 0.001}
pathway: {}
rivals: {}
tasks: {}
parts: []
sweep:
  seeds: [0, 1]
  targets: [image, point]
  auxiliaries: []
  methods: [baseline, random_auxiliary]
  settings: [pretrained]
  tunings: [full]
  target_encoder: mae
  auxiliary_encoder: mae
  encoder_seeds: paired
design: {}
"""
DATA = "deps: [{path: build/data}]\nouts: [{path: data}]\n"


@dataclass(frozen=True)
class Project:
    """A project in a folder of its own."""

    root: Path

    def run(self, *command: str) -> str:
        """What a command prints, which must succeed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        quiet = {"PATH": path, "DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(self.root / ".m2pt/dvc")}
        done = subprocess.run(command, cwd=self.root, env=os.environ | quiet, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def dvc(self, *arguments: str) -> str:
        """What a command of DVC prints."""
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def trained(self) -> dict[str, object]:
        """When each run that is there was trained, by all its attempts."""
        records = sorted(path for folder in ("encoders", "runs") for path in (self.root / folder).rglob(RECORD))
        return {path.parent.name: read_json(path.parent / EXECUTION) for path in records if ".aside" not in path.parts}

    def tracked(self) -> list[Run]:
        """The runs of the study in the MLflow of the project."""
        client = MlflowClient(f"sqlite:///{self.root}/mlflow.db")
        experiment = client.get_experiment_by_name("embedded")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small study that is complete and committed."""
    root = tmp_path_factory.mktemp("dvc") / "a study"
    root.mkdir()
    for name in TRACKED:
        shutil.copytree(ROOT / name, root / name, ignore=LEFT) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, root)
    (root / "params.yaml").write_text(STUDY)
    (root / "data.dvc").write_text(DATA)
    project = Project(root)
    project.run("git", "init", "-q")
    project.run(sys.executable, "-m", "pipelines", "study")
    project.run("git", "add", ".")
    project.run("git", *IDENTITY, "commit", "-qm", "A study")
    assert len(project.trained()) == 2 + 8
    return project


def is_over(project: Project, name: str) -> bool:
    """Whether a queued experiment has ended."""
    return re.search(rf"{name}\s.*(Success|Failed)", project.dvc("queue", "status")) is not None


def test_queued_experiments_and_those_in_copies_are_in_the_mlflow_of_the_project_with_their_scores(project: Project) -> None:
    before = project.trained()
    known = {run.info.run_id: run.info.end_time for run in project.tracked()}
    project.dvc("exp", "run", "--queue", "-n", "queued", "-S", "finetune.learning_rate=0.002")
    project.dvc("queue", "start")
    assert comes_true(lambda: is_over(project, "queued"), 500)
    assert re.search(r"queued\s.*Success", project.dvc("queue", "status")), project.dvc("queue", "logs", "queued")
    project.dvc("exp", "run", "--temp", "-n", "copied", "-S", "finetune.learning_rate=0.004")
    runs = project.tracked()
    for rate in ("0.001", "0.002", "0.004"):
        own = [run for run in runs if run.data.params.get("finetune.learning_rate") == rate]
        assert {run.info.status for run in own} == {"FINISHED"}
        tuned = [run for run in own if run.data.tags["m2pt.kind"] == "finetune"]
        assert len(tuned) == 8 and {run.data.tags["seed"] for run in tuned} == {"0", "1"}
        assert all({"1_val/accuracy", "4_result/test_accuracy"} <= set(run.data.metrics) for run in tuned)
    sweeps = [run for run in runs if run.data.tags["m2pt.kind"] == "sweep"]
    assert len(sweeps) == 3
    assert all(f"learning_rate={rate}" in " ".join(run.info.run_name for run in sweeps) for rate in ("0.002", "0.004"))
    names = {run.data.tags.get("m2pt.dvc_experiment"): run.info.run_name for run in sweeps}
    for name, rate in (("queued", "0.002"), ("copied", "0.004")):
        assert names[name].startswith(f"{name}: embedded: finetune.learning_rate={rate} · ")
    assert all("1_val/mean_accuracy/baseline" in run.data.metrics for run in sweeps)
    # Encoders that the change does not touch were not trained again, and the project itself is as it was.
    encoders = [run for run in runs if run.data.tags["m2pt.kind"] == "pretrain"]
    assert len(encoders) == 2 and all(known[run.info.run_id] == run.info.end_time for run in encoders)
    assert project.trained() == before
    shown = project.dvc("exp", "show", "--csv", "--only-changed")
    assert {"queued", "copied"} <= set(re.findall(r"queued|copied", shown))


def test_a_study_that_is_narrowed_and_widened_trains_nothing_again(project: Project) -> None:
    whole = project.trained()
    narrowed = [
        ("sweep.seeds=[0]", {name for name in whole if not re.search("-s1-", name)}),
        ("sweep.targets=[image]", {name for name in whole if name.startswith("image-")}),
    ]
    for change, left in narrowed:
        project.dvc("exp", "run", "-S", change)
        assert project.trained() == {name: whole[name] for name in left}, change
        project.run("git", "checkout", "--", "params.yaml")
        project.dvc("repro")
        assert project.trained() == whole, change
        project.dvc("status", "--quiet")
    assert project.run("git", "status", "--porcelain", "dvc.lock", "reports/results.csv", "params.yaml") == ""


def test_damaged_runs_are_done_again_and_dvc_locks_what_it_locked_before(project: Project) -> None:
    """Also a merged model, at which no other start looks: DVC would lock it as it is."""
    runs, (encoder, _) = sorted((project.root / "runs/embedded").glob("*/record.json")), sorted(project.root.glob("encoders/*/*"))
    damaged = [runs[0].with_name("history.jsonl"), runs[1].with_name("merged.safetensors"), encoder / "encoder.safetensors"]
    before = [path.read_bytes() for path in damaged]
    for path in damaged:
        DAMAGES["flipped"](path)
    said = project.run(sys.executable, "-m", "pipelines", "study")
    for path in damaged:
        assert f"{path.relative_to(project.root)}: is not the file that record.json speaks of: the run was moved to" in said
    assert [path.read_bytes() for path in damaged] == before
    assert project.run("git", "status", "--porcelain", "dvc.lock", "reports/results.csv") == ""
    assert "everything is up to date, nothing to run" in project.run(sys.executable, "-m", "pipelines", "study")
