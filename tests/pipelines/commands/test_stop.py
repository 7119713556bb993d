"""`m2pt stop` ends a study from elsewhere, and a budget ends one by itself; what was trained is kept, and goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipelines.__main__ import main
from tests.pipelines.commands.test_cli import STUDY
from tests.pipelines.scheduling.conftest import end_all, jobs, make_project, started, trains
from tests.pipelines.scheduling.test_steering import checkpoint
from tests.waiting import comes_true

SWEEP = ("pipelines", "sweep", "--study", "slow.yaml")
LIMIT_S = 20.0
VARIABLES = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}

needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "slow", epochs=1_000_000)
    end_all(tmp_path)


def m2pt(project: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines", *arguments, "--study", "slow.yaml"]
    return subprocess.run(command, cwd=project, env=VARIABLES | variables, capture_output=True, text=True)


def goes_on(project: Path, sweep: "subprocess.Popen[bytes]", before: int) -> bool:
    """Whether a sweep trains beyond so many epochs, or has ended."""
    return sweep.poll() is not None or (trains(project) and checkpoint(project) > before)


def test_where_nothing_runs_it_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(STUDY)
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "small: nothing runs.\n"
    assert not Path("runs").exists()


@pytest.mark.patient
@needs_proc
def test_it_saves_ends_and_goes_on_when_it_is_started_again(project: Path):
    for _ in range(2):
        before = checkpoint(project) if (project / "runs/slow").exists() else 0
        with started(project, VARIABLES, *SWEEP) as sweep:
            assert comes_true(partial(goes_on, project, sweep, before))
            begun = time.monotonic()
            done = m2pt(project, "stop")
            assert time.monotonic() - begun < LIMIT_S
            assert sweep.wait(60) == 130
        assert not jobs(project)
        (run_dir,) = project.glob("runs/slow/*")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0].startswith("slow: asked `") and f"(pid {sweep.pid} on " in lines[0]
        assert lines[1:3] == [
            f"  {run_dir.name} was stopped; the next start goes on with it",
            "slow: stopped; 0 of 1 runs are complete, 1 left for the next start.",
        ]
        assert "stop` was called" in (project / "out.txt").read_text()
        assert (run_dir / "local/checkpoint.pt").is_file() and not (run_dir / "local/failure.json").exists()
        assert [path.name for path in (project / "runs").iterdir() if path.suffix == ".stop"] == []
    attempts = json.loads((run_dir / "local/execution.json").read_text())["attempts"]
    assert [attempt["resumed_from_epoch"] > 0 for attempt in attempts] == [False, True]


@pytest.mark.patient
@needs_proc
def test_a_job_without_a_command_is_named_with_its_process(project: Path):
    with started(project, VARIABLES, *SWEEP) as sweep:
        assert comes_true(lambda: sweep.poll() is not None or trains(project))
        m2pt(project, "stop")
    (run_dir,) = project.glob("runs/slow/*")
    with started(project, VARIABLES, "m2pt.job", str(run_dir)) as job:
        assert comes_true(lambda: (run_dir / "local/attempt.json").exists())
        done = m2pt(project, "stop")
        assert done.returncode == 0
        assert done.stdout.startswith("slow: no command does it, but jobs go on that were started one by one; end their ")
        assert f"{run_dir.name} (pid {job.pid} on " in done.stdout
        job.terminate()
        assert job.wait(60) == 75


@pytest.mark.patient
def test_an_address_that_can_be_no_webhook_is_refused_before_anything_is_done(project: Path):
    done = m2pt(project, "sweep", M2PT_NOTIFY_URL="htp://SECRET")
    assert done.returncode == 2 and "M2PT_NOTIFY_URL: is no address of a webhook" in done.stderr
    assert "SECRET" not in done.stdout + done.stderr
    assert not list(project.glob("runs/slow/*"))


@pytest.mark.patient
@needs_proc
def test_its_budget_ends_it_before_it_is_passed_and_what_is_missing_is_named(project: Path):
    limit_h, words = 0.012, (project / "slow.yaml").read_text()  # 43 s, of which 9 are kept for saving
    (project / "slow.yaml").write_text(words.replace("slots: 1", f"slots: 1, max_device_hours: {limit_h}"))
    done = m2pt(project, "study")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "device-hours are used and the rest is kept for saving): 0 of 1 fine-tuning runs are complete, 1 left for the " in (
        done.stdout
    )
    assert "missing: image-baseline-scratch-full-s0; raise execution.max_device_hours" in done.stdout
    assert (project / "build/slow/reports/index.html").is_file()
    (ledger,) = project.glob("runs/slow/*/local/execution.json")
    (attempt,) = json.loads(ledger.read_text())["attempts"]
    assert limit_h * 3600 - 9 - 10 < attempt["seconds"]["total"] < limit_h * 3600
    spent_h = attempt["seconds"]["total"] / 3600  # on a busy machine some of the first limit is left for a start
    (project / "slow.yaml").write_text(words.replace("slots: 1", f"slots: 1, max_device_hours: {spent_h}"))
    again = m2pt(project, "sweep", M2PT_NOTIFY_COMMAND=f"tee '{project}/notice'")
    assert again.returncode == 1
    assert json.loads((project / "notice").read_text())["state"] == "budget spent"
    assert len(json.loads(ledger.read_text())["attempts"]) == 1, "nothing is begun once the budget is spent"
