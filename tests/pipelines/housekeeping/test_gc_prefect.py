"""`m2pt gc` and Prefect: the history of its local server goes, and its API still has what a person put there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.__main__ import main

ROOT = Path(__file__).parents[3]

FILL = """
from pipelines.execution import process_environment
process_environment.prepare()
from pathlib import Path
from pipelines.scheduling import server
with server.used(Path("server.log")) as used:
    used.ready()
    from prefect import flow, get_run_logger, task
    from prefect.artifacts import create_markdown_artifact
    from prefect.client.orchestration import get_client
    from prefect.states import Paused
    from prefect.variables import Variable
    from pipelines.__main__ import main
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    @task
    def job():
        get_run_logger().info("x" * 2000)

    @flow
    def study():
        create_markdown_artifact("the outcome", key="outcome")
        for _ in range(20):
            job()

    study()
    study()
    Variable.set("mine", "kept")
    with get_client(sync_client=True) as client:
        waiting = client.create_flow_run(study, name="waiting", state=Paused(name="Suspended"))
        going = client.create_flow_run(study, name="killed", state=None)
    APILogWorker.drain_all(timeout=10, at_exit=False)
    EventsWorker.drain_all(timeout=10, at_exit=False)
    print("CODE", main(["gc", "--only", "prefect", "--delete"]))
"""

LOOK = """
from pipelines.execution import process_environment
process_environment.prepare()
from pathlib import Path
from pipelines.scheduling import server
with server.used(Path("server.log")) as used:
    used.ready()
    from prefect.client.orchestration import get_client
    from prefect.variables import Variable
    with get_client(sync_client=True) as client:
        print("RUNS", [(run.name, run.state_name) for run in client.read_flow_runs()], len(client.read_task_runs()))
        print("LOGS", len(client.read_logs()), "ARTIFACTS", len(client.read_artifacts()))
        print("FLOWS", [flow.name for flow in client.read_flows()], Variable.get("mine"))
"""


def in_process(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.patient
def test_the_history_of_flows_goes_and_what_a_person_made_stays(project: Path, monkeypatch, capsys):
    printed = in_process(FILL)
    assert ".prefect: stays: a Prefect server uses it" in printed
    assert "CODE 0" in printed
    before = Path(".prefect/prefect.db").stat().st_size
    assert main(["gc", "--only", "prefect"]) == 0
    listed = capsys.readouterr().out
    assert ".prefect/prefect.db (the history of 3 flow runs that have ended)" in listed
    assert Path(".prefect/prefect.db").stat().st_size == before
    assert main(["gc", "--only", "prefect", "--delete"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == listed.splitlines()[:-1]
    assert Path(".prefect/prefect.db").stat().st_size < before
    assert not Path(".prefect/ui").exists()
    printed = in_process(LOOK)
    assert "RUNS [('waiting', 'Suspended')] 0" in printed
    assert "LOGS 0 ARTIFACTS 0" in printed
    assert "FLOWS ['study'] kept" in printed


def test_a_home_of_prefect_elsewhere_stays(project: Path, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    assert main(["gc", "--only", "prefect", "--delete"]) == 0
    assert f"PREFECT_HOME: {tmp_path / 'home'} stays: it is not in this folder." in capsys.readouterr().out
