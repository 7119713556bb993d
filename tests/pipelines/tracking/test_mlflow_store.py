"""Where MLflow keeps runs: folders of any name, outages, a database that vanishes, several processes."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from m2pt.config import UserError
from m2pt.runs.folder import RECORD
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import JobInputs, write_inputs
from pipelines.tracking import mlflow_client
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.mlflow_ui import ui_command
from pipelines.tracking.sweep import Sweep
from tests.answering import answering
from tests.pipelines import synthetic
from tests.pipelines.tracking.mlflow_view import (
    STUDY,
    SWEEP,
    artifacts_of,
    delete_database,
    new_client,
    new_publisher,
    publish,
    run_of,
    view_of_study,
)
from tests.waiting import PATIENCE_S


@pytest.mark.parametrize("mark", ["", "?x=1"], ids=["", "question mark"])
def test_the_folder_may_have_any_name(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    """All that is published comes back through MLflow's own client, and none of it lies outside of the folder."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    name = f"-a #b%25 100% 'q' \"d\" äö 日本 &f $HOME ;g [h] (i) {{j}} *k \\ ` ~+{mark}"
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(Path("runs"), spec)
    write_inputs(run_dir, JobInputs(data=str(tmp_path / name / "data/image"), cache="cache"))
    synthetic.advance(run_dir, spec, 1, 6)
    synthetic.complete(run_dir, spec)
    publish([(spec, run_dir)])  # into a database that it makes itself
    client = new_client()
    run = run_of(client, spec)
    names = [file.path for file in client.list_artifacts(run.info.run_id)]
    assert {"spec.json", "record.json", "history.jsonl"} <= set(names)
    copies = tmp_path / "copies"
    copies.mkdir()
    copy = client.download_artifacts(run.info.run_id, "record.json", str(copies))
    assert Path(copy).read_bytes() == (run_dir / RECORD).read_bytes()
    assert {path.parts[0] for path in (path.relative_to(Path.cwd()) for path in Path.cwd().rglob("record.json"))} == {
        "runs", "mlartifacts",
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "copies"])
    assert {path.name for path in Path.cwd().iterdir()} <= {
        "runs", "mlartifacts", "mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db.lock",
    }  # fmt: skip
    assert json.loads(run.inputs.dataset_inputs[0].dataset.source) == {"uri": str(tmp_path / name / "data/image")}
    publish([(spec, run_dir)])  # and finds it again


def test_mlflow_may_be_installed_in_a_folder_of_any_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make study` installs it inside of the project's folder."""
    inside = project / "100% #1" / "mlflow"
    inside.parent.mkdir()
    inside.symlink_to(Path(mlflow.__file__).parent)
    monkeypatch.setattr(mlflow_client.db, "_get_package_dir", lambda: str(inside))
    delete_database(project)
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 6)
    synthetic.complete(run_dir, spec)
    publish([(spec, run_dir)])
    assert run_of(new_client(), spec).info.status == "FINISHED"
    with pytest.raises(UserError, match="percent sign in its name; move the project"):
        ui_command(0, "name:password")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody can come to listen on during the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("SSH-2.0-OpenSSH_9.2\r\n", "does not answer (SSH-2.0-OpenSSH_9.2); start it, then publish again."),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "is no server of MLflow; correct the address, then publish again."),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "is no server of MLflow; correct the address, then publish again."),
        (
            "HTTP/1.1 501 No\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>A printer</html>",
            "answered with an error (501); correct the address, or repair the server, then publish again.",
        ),
        (
            "HTTP/1.1 503 No\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>A printer</html>",
            "answered with an error (503); correct the address, or repair the server, then publish again.",
        ),
        (
            "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
            "refuses the name or the password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, then publish again.",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            "lets this user not write there; ask for the permission (MANAGE, for runs are also replaced), or use another name, "
            "then publish again.",
        ),
    ],
)
def test_what_is_no_tracking_server_or_keeps_one_out_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, answer: str, sentence: str
) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    with answering(answer.encode()) as address:
        place = address.removeprefix("http://")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://someone:secret@{place}")
        with pytest.raises(UserError) as told:
            publish([(spec, run_dir)])
    assert str(told.value) == f"MLFLOW_TRACKING_URI: {place} {sentence}"


@pytest.mark.parametrize("trouble", ["server", "damaged", "no database", "folder", "moved", "artifacts"])
def test_an_outage_is_told_once_and_mended_later(
    project: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, closed_port: int
) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(3)]
    match trouble:
        case "server":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://someone:secret@127.0.0.1:{closed_port}")
        case "damaged":
            (project / "mlflow.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
        case "no database":
            (project / "mlflow.db").write_text("something else entirely")
        case "folder":
            monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
        case "moved":
            publish(runs[:1])
            monkeypatch.chdir(project.rename(project.with_name("moved")))
            shutil.rmtree("mlartifacts")
        case "artifacts":
            (project / "mlartifacts").write_text("in the way")
    runs = [(spec, Path.cwd() / "runs" / run_dir.name) for spec, run_dir in runs]
    warnings: list[str] = []
    start = time.monotonic()
    with LiveTracking(lambda: MlflowTracker(Sweep(STUDY, SWEEP, f"sweep {SWEEP}")), warnings.append) as live:
        for spec, run_dir in runs:
            live.run_started(spec, run_dir)
            live.run_ended(spec, run_dir)
    assert len(warnings) == 1
    assert "m2pt publish" in warnings[0]
    with pytest.raises(UserError) as told:
        new_publisher().publish(*runs[0])
    assert time.monotonic() - start < 200  # MLflow's own retries take more than four minutes for each call
    assert ("delete" in str(told.value)) == (trouble in {"damaged", "no database", "moved"})
    assert "\n" not in str(told.value)
    assert "secret" not in warnings[0] + str(told.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if trouble in {"damaged", "no database", "moved"}:
        for path in Path.cwd().glob("mlflow.db*"):
            path.unlink()
        shutil.copy(empty_database, "mlflow.db")
    if trouble == "artifacts":
        Path("mlartifacts").unlink()
    publish(runs)
    assert len(view_of_study()) == 4


def test_a_database_deleted_during_a_sweep_is_made_again(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    with new_publisher() as publisher:
        publisher.publish(*runs[0])
        delete_database(project)
        publisher.publish(*runs[1])
    assert set(view_of_study()) == {f"sweep {SWEEP}", run_id(runs[1][0])}
    publish(runs)
    assert len(view_of_study()) == 3


PUBLISH = """
import sys
from pathlib import Path
from m2pt.runs.folder import read_spec
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher
from pipelines.tracking.sweep import Sweep
with Publisher(MlflowTracker(Sweep(sys.argv[1], sys.argv[2], "sweep " + sys.argv[2]))) as publisher:
    for folder in sys.argv[3:]:
        publisher.publish(read_spec(Path(folder)), Path(folder))
"""


@pytest.mark.patient
def test_processes_that_publish_at_once_make_one_database_and_one_run_each(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(4)]
    delete_database(project)
    (project / "mlflow.db.new").write_text("left by a process that was killed while it made the database")
    folders = [str(run_dir) for _, run_dir in runs]
    command = [sys.executable, "-c", PUBLISH, STUDY, SWEEP]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    processes = [subprocess.Popen([*command, *order], env=environment) for order in (folders, folders[::-1])]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    assert set(view_of_study()) == {f"sweep {SWEEP}", *(run_id(spec) for spec, _ in runs)}
    with sqlite3.connect(project / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM metrics WHERE key = '1_val/accuracy'").fetchone() == (24,)


@pytest.mark.parametrize("way", ["moved", "copied"])
def test_a_project_may_be_moved_and_copied_with_its_database(project: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """All that was published opens through MLflow's own client where it is now, and what comes later lies there too."""
    first, second = synthetic.pathway_spec(0), synthetic.pathway_spec(1)
    publish([(first, synthetic.whole(project / "runs", first))])
    before = view_of_study()
    new = project.with_name("elsewhere #1") / "100% new"
    new.parent.mkdir()
    project.rename(new) if way == "moved" else shutil.copytree(project, new)
    monkeypatch.chdir(new)
    publish([(first, new / "runs" / run_id(first)), (second, synthetic.whole(new / "runs", second))])
    client = new_client()
    for spec in (first, second):
        run = run_of(client, spec)
        assert artifacts_of(run).is_relative_to(new) and (artifacts_of(run) / RECORD).is_file()
        copy = client.download_artifacts(run.info.run_id, RECORD, str(new.parent))
        assert Path(copy).read_bytes() == (new / "runs" / run_id(spec) / RECORD).read_bytes()
    after = view_of_study()
    assert len(after) == 3 and after[run_id(first)] == before[run_id(first)]
    assert artifacts_of(client.get_run(run.info.run_id)).is_relative_to(new)
    if way == "copied":
        monkeypatch.chdir(project)
        publish([(first, project / "runs" / run_id(first))])
        assert view_of_study() == before
        assert artifacts_of(run_of(new_client(), first)).is_relative_to(project)


def test_experiments_in_a_copy_of_the_project_are_tracked_in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC does queued experiments, and those with `--temp`, in folders below `.dvc/tmp/exps`, which it removes."""
    for place in (".dvc/tmp/exps/standalone/tmpabc", ".dvc/tmp/exps/tmpdef"):
        (project / place).mkdir(parents=True)
    one, other = synthetic.pathway_spec(0), synthetic.pathway_spec(1)
    for spec, place in ((one, ".dvc/tmp/exps/standalone/tmpabc"), (other, ".dvc/tmp/exps/tmpdef")):
        monkeypatch.chdir(project / place)
        publish([(spec, synthetic.whole(Path("runs"), spec))])
    monkeypatch.chdir(project)
    shutil.rmtree(".dvc")
    runs = [run_of(new_client(), spec) for spec in (one, other)]
    assert all((artifacts_of(run) / RECORD).is_file() for run in runs)
