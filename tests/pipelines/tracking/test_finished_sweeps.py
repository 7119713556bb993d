"""What becomes of a finished sweep in MLflow when its report is interrupted, rendered again, or rendered elsewhere."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipelines.execution.progress import EVENTS
from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.waiting import comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(1500)]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with a study that trains for seconds, and with servers of its own."""
    yield make_project(tmp_path, "tiny", 2)
    end_all(tmp_path)


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}


def report(project: Path, *options: str) -> None:
    command = [sys.executable, "-m", "pipelines", "report", "--study", "tiny.yaml", *options]
    done = subprocess.run(command, cwd=project, env=variables(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def shown(project: Path) -> dict[str, Any]:
    """What MLflow shows of the study and its only sweep."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    study = client.get_experiment_by_name("tiny")
    (sweep,) = client.search_runs([study.experiment_id], "tags.`m2pt.kind` = 'sweep'")
    files = {path: path.stat().st_mtime_ns for path in sorted((project / "mlartifacts/tiny").rglob("report/**/*"))}
    return {"study": study.tags, "sweep": sweep.to_dictionary(), "files": files}


def test_a_finished_sweep_stays_as_it_ended(project: Path):
    with started(project, variables() | {EVENTS: "1"}, "pipelines", "study", "--study", "tiny.yaml") as process:
        said = project / "out.txt"
        assert comes_true(lambda: "drawing the figures" in said.read_text() or process.poll() is not None)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
    assert process.returncode == 130, said.read_text()
    ended = shown(project)["sweep"]["info"]
    assert ended["status"] == "FINISHED", "its runs have ended, whatever becomes of the report"

    report(project)
    told = shown(project)
    assert all(told["sweep"]["info"][fact] == ended[fact] for fact in ("status", "start_time", "end_time"))
    assert told["files"] and "tiny" in told["study"]["mlflow.note.content"]
    report(project, "--out", "elsewhere")
    assert (project / "elsewhere/index.html").is_file()
    assert shown(project) == told
