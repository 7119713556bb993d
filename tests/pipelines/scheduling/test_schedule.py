"""A study on a schedule, on a real local Prefect server: the schedule fires, runs leave their records, and no copy runs twice."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.planning.folders import study_lock
from tests.waiting import PATIENCE_S, comes_true

ROOT = Path(__file__).parents[3]
STUDY = """
study: tiny
data: {root: data, embedded: {}}
model: {width: 16, depth: 1, heads: 2}
encoders: {}
finetune: {batch_size: 8, samples: 40, epochs: 2, warmup_steps: 1, augment: false}
sweep: {seeds: [0], targets: [image], auxiliaries: [], methods: [baseline], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
execution: {devices: cpu, slots: 1}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a tiny study and its data: forty small pictures of two classes."""
    from PIL import Image

    (tmp_path / "tiny.yaml").write_text(STUDY)
    for split in ("train", "val", "test"):
        for index in range(40):
            path = tmp_path / f"data/image/{split}/{index % 2}/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), 40 * (index % 2) + index + {"train": 0, "val": 50, "test": 100}[split]).save(path)
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    shutil.copy(ROOT / "prefect.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.getbasetemp() / "prefect-home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db",
    }


@contextlib.contextmanager
def served(project: Path, variables: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pipelines", "serve", "--every", "10", "--port", str(port), "--study", "tiny.yaml"]
    with (project / "out.txt").open("w") as out:
        process = subprocess.Popen(command, cwd=project, env=variables, stdout=out, stderr=out, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def flow_runs(home: Path) -> list[str]:
    """The states of the flow runs that a schedule started."""
    try:
        with sqlite3.connect(f"{(home / 'prefect.db').as_uri()}?mode=ro", uri=True) as database:
            query = "SELECT state_name FROM flow_run WHERE name = 'study tiny' AND auto_scheduled AND end_time IS NOT NULL"
            return [state for (state,) in database.execute(f"{query} ORDER BY end_time")]
    except sqlite3.OperationalError:  # not there yet
        return []


def processes_in(folder: Path) -> list[str]:
    commands = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                commands.append((process / "cmdline").read_text().replace("\0", " "))
    return commands


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
@pytest.mark.patient
@pytest.mark.timeout(1500)
def test_a_schedule_fires_leaves_records_and_never_runs_twice_at_once(project: Path, variables: dict[str, str]):
    home = Path(variables["PREFECT_HOME"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served(project, variables, port) as process:
        with study_lock(project / "runs/tiny"):  # as another copy of the study holds it while it runs
            comes_true(lambda: flow_runs(home) or process.poll() is not None)
            assert flow_runs(home)[:1] == ["Skipped"], (project / "out.txt").read_text() + str(flow_runs(home))
            assert not (project / "runs/tiny").exists()
        comes_true(lambda: "Completed" in flow_runs(home) or process.poll() is not None)
        assert "Completed" in flow_runs(home), (project / "out.txt").read_text() + str(flow_runs(home))
        (address,) = re.findall(r"Prefect shows it at (http://127\.0\.0\.1:[0-9]+) ", (project / "out.txt").read_text())
        assert "Failed" not in flow_runs(home)

        (run_dir,) = (project / "runs/tiny").iterdir()
        assert json.loads((run_dir / "record.json").read_text())["kind"] == "finetune"
        (attempt,) = json.loads((run_dir / "local/execution.json").read_text())["attempts"]
        assert attempt["resumed_from_epoch"] == 0
        assert (project / "build/tiny/reports/results.csv").is_file()

        auth = (home / "password").read_text()
        deployed(project, variables | {"PREFECT_API_URL": f"{address}/api", "PREFECT_API_AUTH_STRING": auth}, home)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    assert comes_true(lambda: not processes_in(project)), processes_in(project)


def deployed(project: Path, variables: dict[str, str], home: Path) -> None:
    """prefect.yaml is accepted by the server, and its deployment starts what it should, when it should."""
    for arguments in (["work-pool", "create", "local", "--type", "process"], ["--no-prompt", "deploy", "--all"]):
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(f"{(home / 'prefect.db').as_uri()}?mode=ro", uri=True) as database:
        ((entrypoint, parameters, schedule),) = database.execute(
            "SELECT d.entrypoint, d.parameters, s.schedule FROM deployment d "
            "JOIN deployment_schedule s ON s.deployment_id = d.id WHERE d.name = 'nightly'"
        ).fetchall()
    assert entrypoint == "pipelines/scheduling/flows.py:study"
    assert json.loads(parameters) == {"study": "studies/ablations.yaml"}
    assert json.loads(schedule)["cron"] == "0 2 * * 1,3,5"
