"""A flow run is paused, suspended, resumed and cancelled through Prefect's API, and its worker is told to end.

The training is real and would take hours. The times are those of the issue's operator: what is stopped ends within ten seconds.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Paused, Suspended

from tests.pipelines.scheduling.conftest import (
    ROOT,
    Prefect,
    comes_to,
    end_all,
    ended,
    jobs,
    make_project,
    started,
    state_of,
    trains,
)
from tests.waiting import comes_true

pytestmark = [
    pytest.mark.patient,
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc"),
    pytest.mark.timeout(1500),
]
LIMIT_S = 10.0


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "slow", epochs=1_000_000)
    end_all(tmp_path)


def deployed(client: SyncPrefectClient, name: str, process: subprocess.Popen[bytes]) -> UUID:
    """The deployment of a name, once the process that makes it has done so."""

    def found() -> list[UUID]:
        return [each.id for each in client.read_deployments() if each.name == name]

    assert comes_true(lambda: found() or process.poll() is not None)
    (deployment,) = found()
    return deployment


def checkpoint(project: Path) -> int:
    """The epochs that the history of the training run has."""
    (history,) = project.glob("runs/slow/*/history.jsonl")
    return len(history.read_text().splitlines())


def ask_and_wait(project: Path, client: SyncPrefectClient, flow_run: UUID, state: State[None]) -> None:
    """Ask for a state as the page does; the training ends in time, and its checkpoint stays."""
    client.set_flow_run_state(flow_run, state)
    begun = time.monotonic()
    assert comes_true(lambda: not jobs(project))
    assert time.monotonic() - begun < LIMIT_S
    assert list(project.glob("runs/slow/*/local/checkpoint.pt"))


def resume_and_wait(project: Path, client: SyncPrefectClient, flow_run: UUID) -> None:
    """Resume as the page does; the training goes on from its checkpoint."""
    before = checkpoint(project)
    client.resume_flow_run(flow_run)
    assert comes_true(lambda: jobs(project) and checkpoint(project) > before)
    assert state_of(client, flow_run).name == "Running"
    (attempts,) = (json.loads(path.read_text()) for path in project.glob("runs/slow/*/local/attempt.json"))
    assert attempts["resumed_from_epoch"] > 0


def test_suspend_pause_resume_and_cancel(prefect: Prefect, project: Path):
    serve = ("pipelines", "serve", "--every", "86400", "--study", "slow.yaml")
    often = ("PREFECT_RUNNER_POLL_FREQUENCY", "PREFECT_WORKER_QUERY_SECONDS")  # a user's runner asks less often
    variables = {name: value for name, value in prefect.variables.items() if name not in often}
    with started(project, variables, *serve) as process, prefect.client() as client:
        assert comes_true(lambda: "Ctrl-C" in (project / "out.txt").read_text() or process.poll() is not None)
        second = subprocess.run(
            [sys.executable, "-m", *serve], cwd=project, env=prefect.variables, capture_output=True, text=True
        )
        assert second.returncode == 2
        assert second.stderr == (
            f"m2pt: slow.yaml: the study slow is being served already (pid {process.pid}); end that one first, or give the study "
            "in a file of your own another name (study: NAME).\n"
        )
        deployment = deployed(client, "slow", process)
        flow_run = client.create_flow_run_from_deployment(deployment, parameters={"study": "slow.yaml"}).id
        assert comes_true(lambda: trains(project)), state_of(client, flow_run)

        ask_and_wait(project, client, flow_run, Suspended(timeout_seconds=3600))
        assert state_of(client, flow_run).name == "Suspended"
        resume_and_wait(project, client, flow_run)

        ask_and_wait(project, client, flow_run, Paused(timeout_seconds=3600))
        assert state_of(client, flow_run).name == "Paused"
        resume_and_wait(project, client, flow_run)

        begun = time.monotonic()
        ask_and_wait(project, client, flow_run, Cancelling())
        comes_to(client, flow_run, "Cancelled")
        assert time.monotonic() - begun < LIMIT_S
        process.send_signal(signal.SIGINT)
        assert comes_true(lambda: process.poll() is not None)


def test_m2pt_stop_cancels_the_flow_run_of_a_schedule_which_goes_on(prefect: Prefect, project: Path):
    serve = ("pipelines", "serve", "--every", "86400", "--study", "slow.yaml")
    with started(project, prefect.variables, *serve) as process, prefect.client() as client:
        flow_run = client.create_flow_run_from_deployment(deployed(client, "slow", process), parameters={"study": "slow.yaml"}).id
        assert comes_true(lambda: trains(project)), state_of(client, flow_run)
        stop = [sys.executable, "-m", "pipelines", "stop", "--study", "slow.yaml"]
        done = subprocess.run(stop, cwd=project, env=prefect.variables, capture_output=True, text=True)
        assert done.returncode == 0 and "slow: stopped; 0 of 1 runs are complete" in done.stdout
        comes_to(client, flow_run, "Cancelled")
        assert state_of(client, flow_run).message == "stopped by `m2pt stop`; the next start goes on from the last checkpoints"
        assert not jobs(project) and process.poll() is None


def work(prefect: Prefect, project: Path, client: SyncPrefectClient, pool: str) -> UUID:
    """Deploy by hand, and start a flow run."""
    return client.create_flow_run_from_deployment(deploy(prefect, project, client, pool)).id


def deploy(prefect: Prefect, project: Path, client: SyncPrefectClient, pool: str) -> UUID:
    """Deploy `slow.yaml` by hand, as `prefect.yaml` says, to a work pool."""
    lines = (ROOT / "prefect.yaml").read_text().partition("deployments:")[0]
    (project / "prefect.yaml").write_text(
        f"{lines}deployments:\n- name: {pool}\n  entrypoint: pipelines/scheduling/flows.py:study\n"
        f"  enforce_parameter_schema: false\n  parameters: {{study: slow.yaml}}\n  work_pool: {{name: {pool}}}\n"
    )
    for arguments in (["work-pool", "create", pool, "--type", "process"], ["--no-prompt", "deploy", "--all"]):
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(command, cwd=project, env=prefect.variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return next(each.id for each in client.read_deployments() if each.name == pool)


def test_a_worker_that_is_told_to_end_ends_the_training(prefect: Prefect, project: Path):
    command = ("prefect", "worker", "start", "--pool", "told")
    with prefect.client() as client:
        flow_run = work(prefect, project, client, "told")
        with started(project, prefect.variables, *command) as worker:
            assert comes_true(lambda: trains(project)), state_of(client, flow_run)
            worker.terminate()
            begun = time.monotonic()
            assert comes_true(lambda: not jobs(project))
            assert time.monotonic() - begun < LIMIT_S
            assert list(project.glob("runs/slow/*/local/checkpoint.pt"))
            assert comes_true(lambda: worker.poll() is not None)


def test_a_killed_worker_leaves_no_training_behind(prefect: Prefect, project: Path):
    command = ("prefect", "worker", "start", "--pool", "killed")
    with prefect.client() as client:
        flow_run = work(prefect, project, client, "killed")
        with started(project, prefect.variables, *command) as worker:
            assert comes_true(lambda: trains(project)), state_of(client, flow_run)
            worker.kill()
            begun = time.monotonic()
            assert comes_true(lambda: not jobs(project))
            assert time.monotonic() - begun < LIMIT_S
            assert comes_true(ended(client, flow_run))
            assert state_of(client, flow_run).name == "Crashed"
            assert "the runner or worker that started it has ended" in str(state_of(client, flow_run).message)


def test_a_neighbours_server_gets_no_deployment(prefect: Prefect, project: Path):
    """`prefect deploy` in another project, with the address of this one's server."""
    shutil.copy(ROOT / "prefect.yaml", project)
    with prefect.client() as client:
        client.create_work_pool(WorkPoolCreate(name="local", type="process"))  # a neighbour has one of that name too
        before = {each.name for each in client.read_deployments()}
        variables = prefect.variables | {"PREFECT_HOME": str(project / ".prefect")}
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"m2pt: PREFECT_API_URL: the Prefect server at {prefect.api_url} is another project's" in done.stderr
        assert "Traceback" not in done.stderr
        assert {each.name for each in client.read_deployments()} == before


def test_a_shared_server_keeps_the_study_of_another_project(prefect: Prefect, tmp_path: Path):
    """Two projects share a server on purpose; the second one has a study of the same name."""
    first, second = make_project(tmp_path / "first", "same", 1), make_project(tmp_path / "second", "same", 1)
    serve = ("pipelines", "serve", "--every", "86400", "--study", "same.yaml")
    shared = prefect.variables | {"M2PT_SHARED_PREFECT": "1", "PREFECT_HOME": str(tmp_path / "elsewhere")}
    with started(first, shared, *serve) as process, prefect.client() as client:
        assert deployed(client, "same", process)
        done = subprocess.run([sys.executable, "-m", *serve], cwd=second, env=shared, capture_output=True, text=True)
        assert done.returncode == 2
        assert f"m2pt: study: the Prefect server in use has a study same of the project in {first};" in done.stderr
    end_all(first)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cron", "at noon"], "m2pt: --cron: 'at noon' is no schedule; give minute, hour, day of the month, month and day of"),
        *(
            (["--every", given], f"m2pt: --every: {given} is no time between starts; give 1 to 31622400 seconds (a year).")
            for given in ("0.5", "nan", "inf", "1e+12")
        ),
        (
            ["--every", "9", "--port", "99999"],
            "m2pt: --port: 99999 is no port; give a number from 1 to 65535, or 0 for any free one.",
        ),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path: Path, options: list[str], sentence: str):
    make_project(tmp_path, "tiny", 1)
    command = [sys.executable, "-m", "pipelines", "serve", "--study", "tiny.yaml", *options]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
