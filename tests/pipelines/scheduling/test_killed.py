"""Commands that are killed (SIGKILL), for real: what is left of them, and what the next command makes of it."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.scheduling.server import listen
from tests.pipelines.scheduling.conftest import end_all, make_project, started, trains
from tests.waiting import PATIENCE_S, comes_true

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc"),
    pytest.mark.patient,
    pytest.mark.timeout(1500),
]

LONG = 4000
"""So many epochs take minutes."""

SENTENCE = re.compile(r"tiny: (1 flow run was|\d flow runs were) still shown as going on, though .* killed; .* Crashed")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with a study that trains for minutes, and with servers of its own."""
    yield make_project(tmp_path, "tiny", LONG)
    end_all(tmp_path)


@pytest.fixture
def variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}


def processes_in(folder: Path) -> list[str]:
    commands = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                commands.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return commands


def said(folder: Path) -> str:
    return (folder / "out.txt").read_text()


def states(folder: Path, table: str = "flow_run") -> list[str]:
    """The states of what has begun, the first first."""
    try:
        with sqlite3.connect(f"{(folder / '.prefect/prefect.db').as_uri()}?mode=ro", uri=True) as database:
            query = f"SELECT state_name FROM {table} WHERE state_type != 'SCHEDULED' ORDER BY coalesce(start_time, created)"
            return [state for (state,) in database.execute(query)]
    except sqlite3.OperationalError:  # not there yet
        return []


def status(folder: Path, variables: dict[str, str]) -> str:
    command = [sys.executable, "-m", "pipelines", "status", "--study", "tiny.yaml"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True).stdout


def kill_while_training(folder: Path, variables: dict[str, str], *command: str) -> None:
    """Start a command, kill it when it trains and has a flow run, and wait until nothing of it is left."""
    with started(folder, variables, "pipelines", *command, "--study", "tiny.yaml") as process:
        notes = folder / ".m2pt/flow-runs"
        assert comes_true(lambda: (trains(folder) and any(notes.glob("*.lock"))) or process.poll() is not None)
        assert process.poll() is None, said(folder)
    assert comes_true(lambda: not processes_in(folder)), processes_in(folder)


def test_a_schedule_that_was_killed_leaves_no_server_and_its_flow_run_ends(project: Path, variables: dict[str, str]):
    serve = ("serve", "--every", "20")
    with listen(0) as listener:
        port = str(listener.getsockname()[1])
    kill_while_training(project, variables, *serve, "--port", port)
    assert "Running" in states(project)
    assert "flow run was killed; Prefect shows it as going on until the next `m2pt serve`" in status(project, variables)
    with started(project, variables, "pipelines", *serve, "--port", port, "--study", "tiny.yaml") as process:
        assert comes_true(lambda: SENTENCE.search(said(project)) or process.poll() is not None), said(project)
        assert f"http://127.0.0.1:{port} " in said(project), "nothing keeps the port"
        assert states(project)[0] == "Crashed"
        assert "Running" not in states(project, "task_run")
        assert "killed" not in status(project, variables)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


def test_what_a_runner_had_begun_when_it_was_killed_ends(project: Path, variables: dict[str, str]):
    """A flow run that the runner has claimed, and whose process has not come up: it holds no lock yet."""
    serve = ("serve", "--every", "20", "--study", "tiny.yaml")
    with started(project, variables, "pipelines", *serve) as process:
        assert comes_true(lambda: states(project) or process.poll() is not None)
        assert process.poll() is None, said(project)
    assert comes_true(lambda: not processes_in(project)), processes_in(project)
    assert states(project)
    with started(project, variables, "pipelines", *serve) as process:
        assert comes_true(lambda: SENTENCE.search(said(project)) or process.poll() is not None), said(project)
        assert states(project)[0] == "Crashed"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


def test_a_study_that_was_killed_ends_in_prefect_when_it_is_started_again(project: Path, variables: dict[str, str]):
    kill_while_training(project, variables, "study")
    assert states(project) == ["Running"]
    (project / "tiny.yaml").write_text((project / "tiny.yaml").read_text().replace(f"epochs: {LONG}", "epochs: 2"))
    with started(project, variables, "pipelines", "study", "--study", "tiny.yaml") as process:
        assert process.wait(PATIENCE_S) == 0, said(project)
    assert SENTENCE.search(said(project)), said(project)
    assert states(project) == ["Crashed", "Completed"]
    assert not list((project / ".m2pt/flow-runs").iterdir()), "what has ended by itself leaves nothing"


def servers_in(folder: Path) -> list[int]:
    """The Prefect servers of a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                command = (process / "cmdline").read_bytes().split(b"\0")
                found += [int(process.name)] if b"pipelines.scheduling.server_process" in command else []
        except OSError:
            continue
    return found


@pytest.mark.parametrize("command", [("serve", "--every", "20"), ("ui", "--prefect")])
def test_a_command_whose_prefect_server_was_killed_ends_with_one_sentence(
    project: Path, variables: dict[str, str], command: tuple[str, ...]
):
    """Also `serve` while it trains, which says first that the port that it was given is taken."""
    serves = command[0] == "serve"
    with (
        listen(0) as taken,
        started(
            project, variables, "pipelines", *command, "--port", f"{(port := taken.getsockname()[1])}", "--study", "tiny.yaml"
        ) as process,
    ):
        assert comes_true(lambda: (trains(project) if serves else "Ctrl-C ends" in said(project)) or process.poll() is not None)
        assert process.poll() is None, said(project)
        assert re.search(rf"http://127\.0\.0\.1:\d+\S* \(port {port} is taken[;)]", said(project)), said(project)
        (killed,) = servers_in(project)
        os.kill(killed, signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 2, said(project)
    sentence = "m2pt: the local Prefect server ended by itself; .m2pt/logs/prefect-server.log may say why."
    assert said(project).splitlines()[-1] == sentence
    assert "Traceback" not in said(project)
    assert comes_true(lambda: not processes_in(project)), processes_in(project)


def test_port_0_is_any_free_port(project: Path, variables: dict[str, str]):
    with started(project, variables, "pipelines", "ui", "--port", "0", "--study", "tiny.yaml") as process:
        assert comes_true(lambda: "Ctrl-C ends" in said(project) or process.poll() is not None)
        assert (found := re.search(r"^MLflow:  http://127\.0\.0\.1:(\d+)\S*$", said(project), re.MULTILINE)), said(project)
        assert int(found[1]) not in (0, 5000)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


def test_pages_that_were_killed_leave_no_server(project: Path, variables: dict[str, str]):
    with listen(0) as listener:
        port = str(listener.getsockname()[1])
    for _ in range(2):
        with started(project, variables, "pipelines", "ui", "--prefect", "--port", port, "--study", "tiny.yaml") as process:
            assert comes_true(lambda: "Ctrl-C ends" in said(project) or process.poll() is not None)
            assert re.search(rf"^MLflow:  http://127\.0\.0\.1:{port}\S*$", said(project), re.MULTILINE), said(project)
            assert len(processes_in(project)) == 3, processes_in(project)
        assert comes_true(lambda: not processes_in(project)), processes_in(project)
