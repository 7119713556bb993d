"""`m2pt gc` and MLflow: deleted runs and forgotten files go for good, and its own client shows the rest as before."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from m2pt.runs.identity import run_id
from pipelines.__main__ import main
from pipelines.housekeeping.mlflow_runs import mlflow_runs
from pipelines.housekeeping.project import remove
from tests.pipelines import synthetic
from tests.pipelines.housekeeping.conftest import STUDY as DECLARED
from tests.pipelines.tracking.conftest import empty_database as empty_database  # the fixture
from tests.pipelines.tracking.mlflow_view import (
    STUDY,
    artifacts_of,
    delete_database,
    new_client,
    new_publisher,
    outcome,
    runs_of_study,
    view_of_study,
)

ROOT = Path(__file__).parents[3]
SPECS = [synthetic.pathway_spec(seed) for seed in range(2)]


@pytest.fixture
def project(project: Path, empty_database: Path) -> Path:
    """A project with a tracking database, whose study has the name that is published."""
    shutil.copy(empty_database, "mlflow.db")
    Path("params.yaml").write_text(DECLARED.replace("small", STUDY).replace("SEEDS", "[0]"))
    for spec in SPECS:
        synthetic.whole(Path("runs") / STUDY, spec)
    return project


def publish(failed: int) -> None:
    with new_publisher() as publisher:
        for spec in SPECS:
            publisher.publish(spec, Path("runs") / STUDY / run_id(spec))
        publisher.close(outcome(2, failed))


def deleted(client: MlflowClient, study: str = STUDY) -> list[str]:
    experiment = client.get_experiment_by_name(study)
    runs = client.search_runs([experiment.experiment_id], "", ViewType.DELETED_ONLY)
    return [run.info.run_id for run in runs]


def stored() -> set[str]:
    return {path.name for path in Path("mlartifacts", STUDY).iterdir() if path.name != "models"}


def gc(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["gc", "--only", "mlflow", *arguments]) == 0
    return capsys.readouterr().out


def test_what_publishing_left_behind_goes_and_all_that_is_shown_stays(project: Path, capsys: pytest.CaptureFixture[str]):
    publish(failed=0)
    delete_database(project)  # lost: the files of its three runs have no run now
    publish(failed=0)
    publish(failed=1)  # another outcome: the sweep's first run is deleted
    client, before = new_client(), view_of_study()
    (gone,) = deleted(client)
    active = {run.info.run_id for run in runs_of_study(client)}
    with_files = {run.info.run_id for run in runs_of_study(client) if artifacts_of(run).exists()}
    forgotten = stored() - active - {gone}
    assert len(forgotten) == len(SPECS)
    listed = gc(capsys)
    assert all(f"mlartifacts/{STUDY}/{name} (of no run)" in listed for name in forgotten)
    assert "mlflow.db (the rows of 1 deleted run)" in listed
    assert stored() >= forgotten
    done = gc(capsys, "--delete")
    assert done.splitlines()[:-1] == listed.splitlines()[:-1]
    assert deleted(new_client()) == []
    with pytest.raises(MlflowException, match="not found"):
        new_client().get_run(gone)
    assert stored() == with_files
    assert view_of_study() == before
    assert gc(capsys) == "There is nothing to delete.\n"
    publish(failed=1)  # and publishing goes on from there
    assert view_of_study() == before


def test_the_database_gets_as_much_smaller_as_was_listed(project: Path, capsys: pytest.CaptureFixture[str]):
    for failed in range(40):
        publish(failed)
    before = sum(path.stat().st_size for path in Path().glob("mlflow.db*") if path.suffix != ".lock")
    listed = gc(capsys)
    (line,) = [line for line in listed.splitlines() if "mlflow.db (" in line]
    gc(capsys, "--delete")
    after = sum(path.stat().st_size for path in Path().glob("mlflow.db*") if path.suffix != ".lock")
    amount, unit = line.split()[:2]
    freed = float(amount) * {"kB": 1e3, "MB": 1e6}[unit]
    assert freed > 0
    assert before - after == pytest.approx(freed, rel=0.05, abs=40_000)  # an open connection of ours keeps a log of its own


def test_runs_of_others_in_the_same_database_and_files_of_another_database_stay(
    project: Path, empty_database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    publish(failed=0)
    client = new_client()
    theirs = client.create_experiment("theirs", (project / "mlartifacts/theirs").as_uri())
    run = client.create_run(theirs).info.run_id
    (project / "note.txt").write_text("mine")
    client.log_artifact(run, "note.txt")
    client.delete_run(run)
    shutil.copy(empty_database, "second.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/second.db")
    publish(failed=0)
    view = view_of_study()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert gc(capsys, "--delete") == "There is nothing to delete.\n"
    assert deleted(new_client(), "theirs") == [run]
    assert Path("mlartifacts/theirs", run, "artifacts/note.txt").read_text() == "mine"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/second.db")
    assert view_of_study() == view


def test_models_of_deleted_runs_go_with_them(project: Path, capsys: pytest.CaptureFixture[str]):
    publish(failed=0)
    client = new_client()
    first, second = [run.info.run_id for run in runs_of_study(client) if "m2pt.run_id" in run.data.tags]
    experiment = client.get_experiment_by_name(STUDY).experiment_id
    models = [client.create_logged_model(experiment, name="model", source_run_id=run) for run in (first, second)]
    for model in models:
        (project / "weights.bin").write_bytes(bytes(100))
        client.log_model_artifact(model.model_id, str(project / "weights.bin"))
    client.delete_run(first)
    gc(capsys, "--delete")
    assert [model.model_id for model in new_client().search_logged_models([experiment])] == [models[1].model_id]
    assert [path.name for path in Path("mlartifacts", STUDY, "models").iterdir()] == [models[1].model_id]


def test_without_the_database_no_file_is_taken_for_forgotten(project: Path, capsys: pytest.CaptureFixture[str]):
    publish(failed=0)
    before = stored()
    delete_database(project)
    printed = gc(capsys, "--delete")
    assert "mlartifacts: stays: mlflow.db, which knows whose files these are, is missing; make it with `m2pt publish`." in printed
    assert stored() == before


def test_a_server_elsewhere_and_a_database_elsewhere_stay(
    project: Path, empty_database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracking.example.org/mlflow")
    printed = gc(capsys, "--delete")
    assert "MLflow: runs are tracked at tracking.example.org; whoever runs it removes deleted runs with `mlflow gc`." in printed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty_database}")
    assert f"{empty_database}: stays: it is not in this folder." in gc(capsys, "--delete")


KILLED = """
import os, sys
from pipelines.__main__ import main
from pipelines.housekeeping import garbage
garbage.shutil.rmtree = lambda path: os.kill(os.getpid(), 9)
sys.exit(main(["gc", "--delete", "--only", "mlflow"]))
"""


def test_after_a_kill_no_run_without_files_can_be_restored(project: Path, capsys: pytest.CaptureFixture[str]):
    publish(failed=0)
    client = new_client()
    run = next(run.info.run_id for run in runs_of_study(client) if "m2pt.run_id" in run.data.tags)
    client.delete_run(run)
    killed = subprocess.run([sys.executable, "-c", KILLED], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert deleted(new_client()) == []
    assert [path.name for path in Path("mlartifacts/.removed").iterdir()] == [run]
    printed = gc(capsys, "--delete")
    assert f"mlartifacts/.removed/{run} (left by a removal that was interrupted)" in printed
    assert not Path("mlartifacts/.removed").exists()


def test_a_run_that_was_restored_keeps_its_rows_and_files(project: Path, capsys: pytest.CaptureFixture[str]):
    """A person may restore a run on MLflow's page between the list and its removal."""
    publish(failed=0)
    before, client = view_of_study(), new_client()
    run = next(run.info.run_id for run in runs_of_study(client) if "m2pt.run_id" in run.data.tags)
    client.delete_run(run)
    listing = mlflow_runs()
    client.restore_run(run)
    faults = remove(listing.garbage)
    assert faults == [f"{run}: the files of this run stay, because MLflow still has it; try again."]
    assert view_of_study() == before
