"""Experiments of DVC in copies of a project, by DVC's own command, as MLflow's own client shows them."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from tests.pipelines import synthetic

ROOT = Path(__file__).parents[3]

_PUBLISH = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from m2pt.files.documents import read_json
from pipelines.tracking.experiment import experiment_name
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
from tests.pipelines import synthetic
seed = read_json(Path("params.json"))["seed"]
spec = synthetic.pathway_spec(seed)
with Publisher(MlflowTracker(Sweep("embedded", f"5eed000{{seed}}", f"seed {{seed}}", experiment=experiment_name()))) as publisher:
    publisher.publish(spec, synthetic.whole(Path("runs"), spec))
Path("done.txt").write_text(str(seed))
"""


@pytest.mark.patient
def test_an_experiment_in_a_copy_publishes_to_the_projects_own_mlflow(tmp_path: Path) -> None:
    project = tmp_path / "a project"
    project.mkdir()
    (project / "publish.py").write_text(_PUBLISH.format(root=str(ROOT)))
    (project / "params.json").write_text('{"seed": 0}')
    stage = {"cmd": f"{shlex.quote(sys.executable)} publish.py", "params": [{"params.json": ["seed"]}], "outs": ["done.txt"]}
    (project / "dvc.yaml").write_text(json.dumps({"stages": {"publish": stage}}))
    (project / ".gitignore").write_text("/mlflow.db*\n/mlartifacts/\n/runs/\n/site/\n/done.txt\n")
    quiet = os.environ | {"DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(project / "site")}
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "-q"],
        [*dvc, "init", "-q"],
        ["git", "add", "."],
        ["git", *identity, "commit", "-qm", "A project"],
        [*dvc, "exp", "run", "-q", "--temp", "-n", "brisk-fox", "-S", "params.json:seed=1"],
    ):
        subprocess.run(command, cwd=project, env=quiet, check=True)
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("embedded")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`m2pt.kind` = 'finetune'")
    assert (run.data.tags["seed"], run.info.status) == ("1", "FINISHED")
    (sweep,) = client.search_runs([experiment.experiment_id], "tags.`m2pt.kind` = 'sweep'")
    assert sweep.info.run_name == "brisk-fox: seed 1"
    assert sweep.data.tags["m2pt.dvc_experiment"] == "brisk-fox"
    with Publisher(MlflowTracker(Sweep("embedded", "5eed0001", "seed 1"), f"sqlite:///{project}/mlflow.db")) as publisher:
        publisher.publish(synthetic.pathway_spec(2), synthetic.whole(tmp_path / "runs", synthetic.pathway_spec(2)))
    again = client.get_run(sweep.info.run_id)
    assert again.info.run_name == "brisk-fox: seed 1", "what is published from the project later is the same sweep"
    assert "record.json" in [item.path for item in client.list_artifacts(run.info.run_id)]
    assert not (project / "runs").exists()  # the run itself was done in the copy, which is gone
