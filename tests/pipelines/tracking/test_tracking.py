import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from m2pt.runs.inputs import JobInputs, write_inputs

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from m2pt.config import UserError
from m2pt.runs.folder import HISTORY, LOG, RECORD, TIMES, RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.scheduling.server import free_port
from pipelines.tracking import mlflow_client
from pipelines.tracking.live import LiveTracking
from pipelines.tracking.mlflow_store import tracking_uri
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.mlflow_ui import study_page, ui_command, ui_environment
from pipelines.tracking.publisher import WEIGHTS_LIMIT_BYTES, Publisher
from pipelines.tracking.tracker import SweepEnd
from tests.pipelines import synthetic
from tests.pipelines.tracking.conftest import new_project
from tests.waiting import comes_true

STUDY, SWEEP = "embedded", "5eed5eed"
REPOSITORY = Path(__file__).parents[3]


def _publisher(sweep: str = SWEEP, weights_limit_bytes: int = WEIGHTS_LIMIT_BYTES) -> Publisher:
    return Publisher(MlflowTracker(STUDY, sweep), weights_limit_bytes)


def _outcome(complete: int, failed: int) -> SweepEnd:
    values = {"runs/complete": float(complete), "runs/failed": float(failed), "mean_test_accuracy/pathway": 61.5}
    return SweepEnd(RunState.FAILED if failed else RunState.COMPLETE, values)


def _publish(runs: list[tuple[Spec, Path]]) -> None:
    with _publisher() as publisher:
        for spec, run_dir in runs:
            publisher.publish(spec, run_dir)


def _client() -> MlflowClient:
    return MlflowClient(tracking_uri())


def _runs(client: MlflowClient, query: str = "") -> list[Any]:
    experiment = client.get_experiment_by_name(STUDY)
    return list(client.search_runs([experiment.experiment_id], query, max_results=1000)) if experiment else []


def _run(client: MlflowClient, spec: Spec) -> Any:
    (run,) = _runs(client, f"tags.`m2pt.run_id` = '{run_id(spec)}'")
    return run


def _artifacts(run: Any) -> Path:
    """Where the files of a run lie, by the address that MLflow has of them."""
    return Path(unquote(urlsplit(run.info.artifact_uri).path))


def _view() -> dict[str, Any]:
    """All that a person can see of a study, read with MLflow's own client; MLflow's own ids and clock are left out."""
    client = _client()
    runs = _runs(client)
    names = {run.info.run_id: run.data.tags.get("m2pt.run_id", run.info.run_name) for run in runs}
    view: dict[str, Any] = {}
    for run in runs:
        name = names[run.info.run_id]
        assert name not in view, f"{name} stands twice"
        tags = dict(run.data.tags)
        parent = tags.pop("mlflow.parentRunId", None)
        files = {item.path for item in client.list_artifacts(run.info.run_id)}
        folder = _artifacts(run)
        view[name] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "parent": names[parent] if parent else None,
            "params": run.data.params,
            "tags": tags,
            "metrics": {
                key: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, key))
                for key in run.data.metrics
            },
            "data": sorted((item.dataset.name, item.dataset.digest, item.tags[0].value) for item in run.inputs.dataset_inputs),
            "files": {path: (folder / path).read_bytes() for path in files if (folder / path).is_file()},
        }
    return view


def _delete_database(root: Path) -> None:
    (root / "mlflow.db").unlink()


def test_a_run_stands_below_its_sweep_with_all_that_it_left_behind(project: Path) -> None:
    spec = synthetic.pathway_spec(seed=3)
    run_dir = synthetic.whole(project / "runs", spec)
    _publish([(spec, run_dir)])
    shown = _view()[run_id(spec)]
    assert shown["parent"] == f"sweep {SWEEP}"
    assert shown["name"] == spec.name
    assert shown["status"] == "FINISHED"
    assert shown["params"]["finetune.epochs"] == "6"
    expected = {
        "target": "image",
        "auxiliary": "audio",
        "method": "pathway",
        "setting": "pretrained",
        "tuning": "full",
        "seed": "3",
    }
    expected |= {"m2pt.run_id": run_id(spec), "m2pt.study": STUDY, "m2pt.status": "complete", "m2pt.kind": "finetune"}
    expected |= {"git_commit": "c" * 40, "version.torch": "2.13.0", "device": "cpu"}
    assert expected.items() <= shown["tags"].items()
    times = [synthetic.START_MS + 1000 * epoch for epoch in range(1, 7)]
    assert shown["metrics"]["val/accuracy"] == [(epoch, times[epoch - 1], 63.0 + epoch) for epoch in range(1, 7)]
    assert shown["metrics"]["scale/blocks.1.attn.qkv"] == [(epoch, times[epoch - 1], 0.01 * epoch * 2) for epoch in range(1, 7)]
    assert shown["metrics"]["test/accuracy"] == [(0, times[-1], 61.5)]
    assert shown["metrics"]["merge/max_logit_difference"] == [(0, times[-1], 1e-6)]
    assert shown["metrics"]["seconds/train"] == [(0, times[-1], 5.0)]
    assert shown["metrics"]["peak_memory_mib"] == [(0, times[-1], 3.0)]
    digest = "d" * 36
    assert shown["data"] == [
        ("image/test", digest, "test"),
        ("image/train", digest, "train"),
        ("image/val", digest, "validation"),
    ]
    assert set(shown["files"]) == {"spec.json", "history.jsonl", "record.json", "merged.safetensors"}
    assert shown["files"]["record.json"] == (run_dir / "record.json").read_bytes()


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
    _publish([(spec, run_dir)])  # into a database that it makes itself
    client = _client()
    run = _run(client, spec)
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
    _publish([(spec, run_dir)])  # and finds it again


def test_mlflow_may_be_installed_in_a_folder_of_any_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make study` installs it inside of the project's folder."""
    inside = project / "100% #1" / "mlflow"
    inside.parent.mkdir()
    inside.symlink_to(Path(mlflow.__file__).parent)
    monkeypatch.setattr(mlflow_client.db, "_get_package_dir", lambda: str(inside))
    _delete_database(project)
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 6)
    synthetic.complete(run_dir, spec)
    _publish([(spec, run_dir)])
    assert _run(_client(), spec).info.status == "FINISHED"
    with pytest.raises(UserError, match="percent sign in its name; move the project"):
        ui_command("127.0.0.1", 1)


def test_a_pretraining_run_stands_beside_the_others_with_its_pictures(project: Path) -> None:
    spec = synthetic.pretrain_spec()
    _publish([(spec, synthetic.whole(project / "encoders", spec))])
    shown = _view()[run_id(spec)]
    assert shown["parent"] == f"sweep {SWEEP}"
    assert shown["tags"]["m2pt.kind"] == "pretrain"
    assert shown["metrics"]["val/score"][0][2] == pytest.approx(2.5 / 6)
    assert {"reconstructions.png", "encoder.safetensors"} <= set(shown["files"])


def test_publishing_again_changes_nothing(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    _publish(runs)
    before = _view()
    _publish(runs)
    assert _view() == before
    assert len(before) == 3


def _every_kind_of_run(project: Path) -> list[tuple[Spec, Path]]:
    """Published as a sweep does it: in pieces, with a kill, a restart, a failure, and a run that is left unfinished."""
    folder = project / "runs"
    live, resumed, redone, failed, left = (synthetic.pathway_spec(seed) for seed in range(5))
    plain, encoder = synthetic.pathway_spec(auxiliary=""), synthetic.pretrain_spec()
    runs = [(spec, synthetic.begin(folder, spec)) for spec in (live, resumed, redone, failed, left)]
    dirs = dict(runs)
    with _publisher() as publisher:
        for spec, run_dir in runs:
            for first, last in ((1, 2), (3, 5)):
                synthetic.advance(run_dir, spec, first, last)
                publisher.publish(spec, run_dir, active=True)
    # The job was killed at epoch 5 and goes on from a checkpoint at epoch 3, later.
    synthetic.advance(dirs[resumed], resumed, 4, 6, synthetic.START_MS + 10**6)
    # This one has no checkpoint and starts anew.
    (dirs[redone] / HISTORY).unlink()
    (dirs[redone] / TIMES).unlink()
    synthetic.advance(dirs[redone], redone, 1, 6, synthetic.START_MS + 2 * 10**6)
    synthetic.advance(dirs[live], live, 6, 6)
    synthetic.complete(dirs[live], live)
    synthetic.complete(dirs[resumed], resumed, resumed_from=5)
    synthetic.complete(dirs[redone], redone)
    synthetic.fail(dirs[failed])
    return [*runs, *((spec, synthetic.whole(folder, spec)) for spec in (plain, encoder))]


def test_a_deleted_database_comes_back_with_the_same_runs_and_histories(project: Path) -> None:
    runs = _every_kind_of_run(project)
    for _ in range(2):
        with _publisher() as publisher:
            for spec, run_dir in runs:
                publisher.publish(spec, run_dir)
            publisher.close(_outcome(5, 1))
    before = _view()
    _delete_database(project)
    with _publisher() as publisher:
        for spec, run_dir in runs[::-1]:
            publisher.publish(spec, run_dir)
        publisher.close(_outcome(5, 1))
    assert _view() == before
    statuses = [before[run_id(spec)]["status"] for spec, _ in runs]
    assert statuses == ["FINISHED", "FINISHED", "FINISHED", "FAILED", "KILLED", "FINISHED", "FINISHED"]
    for spec, _ in runs:
        steps = [step for step, _, _ in before[run_id(spec)]["metrics"]["train/loss"]]
        assert steps == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("broken", ["create_run", "log_batch", "log_inputs", "log_artifact", "set_terminated", "set_tag"])
def test_publishing_that_was_broken_off_is_completed(
    project: Path, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)

    def after(self: MlflowClient, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        raise MlflowException("the connection was lost")

    original = getattr(MlflowClient, broken)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, broken, after)
        with pytest.raises(UserError, match="the connection was lost"):
            _publish([(spec, run_dir)])
    _publish([(spec, run_dir)])
    completed = _view()
    new_project(tmp_path / "in one go", empty_database, monkeypatch)
    _publish([(spec, run_dir)])
    assert completed == _view()


def test_a_failed_run_says_why_until_it_is_mended(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.begin(project / "runs", spec)
    synthetic.advance(run_dir, spec, 1, 3)
    synthetic.fail(run_dir, "image: out of luck.")
    _publish([(spec, run_dir)])
    failed = _view()[run_id(spec)]
    assert failed["status"] == "FAILED"
    assert failed["tags"]["error"] == "image: out of luck."
    assert failed["files"]["log.txt"] == (run_dir / LOG).read_bytes()
    synthetic.advance(run_dir, spec, 4, 6)
    synthetic.complete(run_dir, spec)
    _publish([(spec, run_dir)])
    mended = _view()[run_id(spec)]
    assert mended["status"] == "FINISHED"
    assert "error" not in mended["tags"]
    assert len(mended["metrics"]["val/accuracy"]) == 6


def test_a_run_that_was_done_anew_with_another_result_replaces_the_old_one(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    _publish([(spec, run_dir)])
    shutil.rmtree(run_dir)
    _publish([(spec, synthetic.whole(project / "runs", spec, epochs=4))])
    assert [step for step, _, _ in _view()[run_id(spec)]["metrics"]["val/accuracy"]] == [1, 2, 3, 4]


def test_large_weights_stay_in_their_folder(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    with _publisher(weights_limit_bytes=100) as publisher:
        publisher.publish(spec, run_dir)
    assert "merged.safetensors" not in _view()[run_id(spec)]["files"]


def test_the_sweep_shows_its_outcome_and_the_report(project: Path) -> None:
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    figure = project / "matrix.png"
    figure.write_bytes(b"picture")
    with _publisher() as publisher:
        publisher.publish(spec, run_dir)
        publisher.close(replace(_outcome(1, 2), report={"figures/matrix.png": figure}))
    (sweep,) = _runs(_client(), "tags.`m2pt.kind` = 'sweep'")
    assert sweep.data.metrics == {"runs/complete": 1.0, "runs/failed": 2.0, "mean_test_accuracy/pathway": 61.5}
    assert sweep.info.status == "FAILED"
    assert (_artifacts(sweep) / "report" / "figures" / "matrix.png").read_bytes() == b"picture"
    with _publisher() as publisher:
        publisher.publish(spec, run_dir)
        publisher.close(_outcome(3, 0))
    shown = _view()
    assert shown[f"sweep {SWEEP}"]["metrics"]["runs/complete"] == [
        (0, shown[f"sweep {SWEEP}"]["metrics"]["runs/failed"][0][1], 3.0)
    ]
    assert shown[f"sweep {SWEEP}"]["status"] == "FINISHED"
    assert shown[run_id(spec)]["parent"] == f"sweep {SWEEP}"


def test_a_run_belongs_to_the_last_sweep_that_holds_it(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    _publish(runs[:1])
    with _publisher("a1a1a1a1") as publisher:
        for spec, run_dir in runs:
            publisher.publish(spec, run_dir)
    shown = _view()
    assert {shown[run_id(spec)]["parent"] for spec, _ in runs} == {"sweep a1a1a1a1"}
    assert f"sweep {SWEEP}" not in shown


def test_an_interrupted_sweep_and_an_inherited_run_id(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    spec = synthetic.pathway_spec()
    run_dir = synthetic.whole(project / "runs", spec)
    with pytest.raises(KeyboardInterrupt), _publisher() as publisher:
        publisher.publish(spec, run_dir)
        raise KeyboardInterrupt
    assert _view()[f"sweep {SWEEP}"]["status"] == "KILLED"
    assert _view()[run_id(spec)]["status"] == "FINISHED"


def _until(condition: Any) -> None:
    assert comes_true(condition), "it did not come about"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody can come to listen on during the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


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
            _publish(runs[:1])
            monkeypatch.chdir(project.rename(project.with_name("moved")))
        case "artifacts":
            (project / "mlartifacts").write_text("in the way")
    runs = [(spec, Path.cwd() / "runs" / run_dir.name) for spec, run_dir in runs]
    warnings: list[str] = []
    start = time.monotonic()
    with LiveTracking(lambda: MlflowTracker(STUDY, SWEEP), warnings.append) as live:
        for spec, run_dir in runs:
            live.run_started(spec, run_dir)
            live.run_ended(spec, run_dir)
    assert len(warnings) == 1
    assert "m2pt publish" in warnings[0]
    with pytest.raises(UserError) as told:
        _publisher().publish(*runs[0])
    assert time.monotonic() - start < 200  # MLflow's own retries take more than four minutes for each call
    assert ("delete it" in str(told.value)) == (trouble in {"damaged", "no database", "moved"})
    assert "\n" not in str(told.value)
    assert "secret" not in warnings[0] + str(told.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if trouble in {"damaged", "no database", "moved"}:
        for path in Path.cwd().glob("mlflow.db*"):
            path.unlink()
        shutil.copy(empty_database, "mlflow.db")
    if trouble == "artifacts":
        Path("mlartifacts").unlink()
    _publish(runs)
    assert len(_view()) == 4


def test_a_database_deleted_during_a_sweep_is_made_again(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    with _publisher() as publisher:
        publisher.publish(*runs[0])
        _delete_database(project)
        publisher.publish(*runs[1])
    assert set(_view()) == {f"sweep {SWEEP}", run_id(runs[1][0])}
    _publish(runs)
    assert len(_view()) == 3


PUBLISH = """
import sys
from pathlib import Path
from m2pt.runs.folder import read_spec
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import Publisher
with Publisher(MlflowTracker(sys.argv[1], sys.argv[2])) as publisher:
    for folder in sys.argv[3:]:
        publisher.publish(read_spec(Path(folder)), Path(folder))
"""


def test_processes_that_publish_at_once_make_one_database_and_one_run_each(project: Path) -> None:
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(4)]
    _delete_database(project)
    (project / "mlflow.db.new").write_text("left by a process that was killed while it made the database")
    folders = [str(run_dir) for _, run_dir in runs]
    command = [sys.executable, "-c", PUBLISH, STUDY, SWEEP]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    processes = [subprocess.Popen([*command, *order], env=environment) for order in (folders, folders[::-1])]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert set(_view()) == {f"sweep {SWEEP}", *(run_id(spec) for spec, _ in runs)}
    with sqlite3.connect(project / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM metrics WHERE key = 'val/accuracy'").fetchone() == (24,)


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    """A real MLflow server, started by the command of the UI."""
    port = free_port(5000)
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        ui_command("127.0.0.1", port), env=os.environ | ui_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _until(lambda: _answers(f"{address}/health"))
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_server_shows_the_same_as_the_file(project: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _answers(f"{server}/")
    runs = [(spec := synthetic.pathway_spec(seed), synthetic.whole(project / "runs", spec)) for seed in range(2)]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    # Another machine has made the run as well, in the moment before ours looked.
    client = _client()
    experiment = client.create_experiment(STUDY)
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    client.create_run(experiment, tags={"m2pt.run_id": run_id(runs[0][0])})
    _publish(runs)
    _publish(runs)
    by_server = [_run(client, spec) for spec, _ in runs[1:]]
    assert [len(client.get_metric_history(run.info.run_id, "val/accuracy")) for run in by_server] == [6]
    assert {item.path for item in client.list_artifacts(by_server[0].info.run_id)} >= {"spec.json", "record.json"}
    assert len(_runs(client)) == 4
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert _run(_client(), runs[1][0]).data.to_dictionary() == by_server[0].data.to_dictionary()


def test_the_ui_of_somebody_elses_server_is_left_to_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example")
    with pytest.raises(UserError, match=r"https://tracking\.example"):
        ui_command("127.0.0.1", 5000)


def test_the_page_of_a_study_is_found(project: Path) -> None:
    spec = synthetic.pathway_spec()
    assert study_page(STUDY, "http://127.0.0.1:5000") == "http://127.0.0.1:5000"
    _publish([(spec, synthetic.whole(project / "runs", spec))])
    experiment = _run(_client(), spec).info.experiment_id
    assert f"/#/experiments/{experiment}/runs" in study_page(STUDY, "http://127.0.0.1:5000")
