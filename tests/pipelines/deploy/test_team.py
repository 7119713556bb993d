"""A study on the servers of a team, which are those of `deploy/compose.yaml`, on a real PostgreSQL."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient

from tests.faults.test_space import mounted
from tests.pipelines.deploy.servers import HOST, Team, compose, team
from tests.pipelines.deploy.team_view import Watched, holding, require_equal, rows, runs_of, watching
from tests.pipelines.scheduling.conftest import make_project, started
from tests.waiting import comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(3600)]

NAME, PASSWORD = "ann", "9vKq@of/Ann%#:Tw7"
JOBS = 8
LIMIT_S = 1200.0


@pytest.fixture(scope="module")
def servers() -> Iterator[Team]:
    """The servers, which know one person of the team."""
    with team() as made:
        made.add(NAME, PASSWORD)
        yield made


@pytest.fixture
def client(servers: Team, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow's own client, for that person."""
    return mlflow_client(servers, monkeypatch)


def mlflow_client(servers: Team, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", NAME)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    return MlflowClient(servers.mlflow.address)


def variables(servers: Team, **changes: str) -> dict[str, str]:
    """The environment of a command; without the packages of the servers, which nobody needs who uses them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT", "PYTHONPATH"))}
    return kept | servers.variables(NAME, PASSWORD) | {"NO_PROXY": HOST, "no_proxy": HOST} | changes


def in_address(servers: Team) -> dict[str, str]:
    """The same with the name and the password in the address, percent-encoded."""
    here = variables(servers)
    del here["MLFLOW_TRACKING_USERNAME"], here["MLFLOW_TRACKING_PASSWORD"]
    pair = f"{quote(NAME, safe='')}:{quote(PASSWORD, safe='')}"
    return here | {"MLFLOW_TRACKING_URI": servers.mlflow.address.replace("//", f"//{pair}@")}


def m2pt(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S)


@dataclass(frozen=True)
class Done:
    """A study that was done on the servers: its folder, what it said, what was seen meanwhile, the process that did it."""

    project: Path
    output: str
    seen: Watched
    pid: int


@pytest.fixture(scope="module")
def done(servers: Team, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A study of as many runs as jobs at once, with a secret in the address of MLflow."""
    project = make_project(tmp_path_factory.mktemp("team") / "project", "joint", 12, ", ".join(map(str, range(JOBS))))
    study = project / "joint.yaml"
    study.write_text(study.read_text().replace("slots: 1", f"slots: {JOBS}"))
    with (
        watching(servers, project) as seen,
        started(project, in_address(servers), "pipelines", "study", "--study", "joint.yaml") as process,
    ):
        assert process.wait(LIMIT_S) == 0, (project / "out.txt").read_text()
    return Done(project, (project / "out.txt").read_text(), seen, process.pid)


def test_what_the_server_shows_is_what_the_records_say(done: Done, client: MlflowClient) -> None:
    require_equal(client, "joint", done.project)
    runs = runs_of(client, "joint")
    assert len(runs) == JOBS + 1
    (sweep,) = [run for run in runs if run.data.tags["m2pt.kind"] == "sweep"]
    assert sweep.info.status == "FINISHED"
    assert "report/index.html" in [file.path for file in client.list_artifacts(sweep.info.run_id, "report")]
    assert not (done.project / "mlflow.db").exists() and not (done.project / "mlartifacts").exists()


def test_one_process_publishes_whatever_the_number_of_jobs(done: Done, servers: Team) -> None:
    assert done.seen.most_jobs == JOBS
    assert done.seen.clients == {"mlflow": {done.pid}, "prefect": {done.pid}}
    assert done.seen.most_of_one_client == 1
    limit = int(servers.postgres.sql("SHOW max_connections")[0][0])
    assert f"max_connections={limit}" in compose()["services"]["postgres"]["command"]
    assert 0 < done.seen.most_connections < limit - 3, "three are kept back for superusers"
    assert (
        "too many" not in servers.postgres.log.read_text()
        and "remaining connection slots" not in servers.postgres.log.read_text()
    )


def test_publishing_again_adds_nothing(done: Done, servers: Team) -> None:
    before = rows(servers)
    again = m2pt(done.project, variables(servers), "publish", "--study", "joint.yaml")
    assert (again.returncode, again.stdout) == (0, f"joint: {JOBS} runs are published to {servers.mlflow.address}.\n"), (
        again.stderr
    )
    assert rows(servers) == before and len(before) > 100 * JOBS


def test_no_secret_is_anywhere(done: Done, servers: Team, tmp_path: Path) -> None:
    assert f"{servers.mlflow.address} shows the runs" in done.output
    right, wrong = in_address(servers), variables(servers) | {"MLFLOW_TRACKING_URI": f"http://{NAME}:9vKq-wrong@{HOST}:9/"}
    said = [done.output]
    for environment, command, code in ((right, "publish", 0), (right, "ui", 2), (wrong, "publish", 2)):
        told = m2pt(done.project, environment, command, "--study", "joint.yaml")
        assert told.returncode == code, told.stdout + told.stderr
        said += [told.stdout, told.stderr]
    (tmp_path / "said.txt").write_text("".join(said))
    for database in ("mlflow", "mlflow_auth", "prefect"):  # tags, parameters, logs, artifacts, flow runs
        (tmp_path / database).write_text(servers.postgres.run("pg_dump", database))
        assert (tmp_path / database).stat().st_size > 10_000
    words = ["9vKq", PASSWORD[5:], quote(PASSWORD, safe="")[7:]]
    assert holding(words, [done.project, tmp_path, servers.mlflow.folder / "artifacts", servers.mlflow.folder / "home"]) == []
    assert not any(word in log.read_text() for log in servers.logs for word in words)
    assert tmp_path / "said.txt" in holding([f"{HOST}:{servers.mlflow.port}"], [tmp_path]), "what is looked for is seen"


def test_servers_that_go_away_lose_nothing(servers: Team, client: MlflowClient, tmp_path: Path) -> None:
    """Prefect comes back while the study goes on, MLflow afterwards."""
    project = make_project(tmp_path / "project", "outage", 60, "0, 1, 2, 3")
    said = project / "out.txt"
    with started(project, in_address(servers), "pipelines", "study", "--study", "outage.yaml") as process:
        assert comes_true(lambda: list(project.rglob("record.json")) or process.poll() is not None)
        for server in (servers.mlflow, servers.prefect):
            server.stop(signal.SIGKILL)
        assert comes_true(lambda: "Prefect's server at " in said.read_text() or process.poll() is not None)
        servers.prefect.start()
        code = process.wait(LIMIT_S)
    output = said.read_text()
    assert code == 0, output
    assert output.count("The runs go on without tracking; `m2pt publish` adds them later.") == 1
    assert output.count("does not answer: the study goes on, and only Prefect's pages lack what happens until it answers.") == 1
    assert [word for word in ("EventsWorker", "Errno", "ERROR", "WARNING", "Traceback", "9vKq") if word in output] == [], output
    assert "4 of 4 fine-tuning runs are complete" in output and (project / "build/outage/reports/index.html").is_file()
    servers.mlflow.start()
    told = m2pt(project, variables(servers), "publish", "--study", "outage.yaml")
    assert told.returncode == 0, told.stderr
    require_equal(client, "outage", project)
    shown = runs_of(client, "outage")
    assert len(shown) == 4 + 1 and {run.info.status for run in shown} == {"FINISHED"}


def unpublished(servers: Team, folder: Path, name: str) -> Path:
    """A study that was done while MLflow could not be reached."""
    project = make_project(folder / "project", name, 6, ", ".join(map(str, range(JOBS))))
    gone = variables(servers) | {"MLFLOW_TRACKING_URI": f"http://{HOST}:9"}
    done = m2pt(project, gone, "study", "--study", f"{name}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def is_made_good(servers: Team, client: MlflowClient, project: Path, name: str) -> None:
    """Publish what is missing, and compare all of it with the records."""
    told = m2pt(project, variables(servers), "publish", "--study", f"{name}.yaml")
    assert told.returncode == 0, told.stderr
    require_equal(client, name, project)
    shown = runs_of(client, name)
    assert len(shown) == JOBS + 1 and {run.info.status for run in shown} == {"FINISHED"}


def test_a_database_that_dies_while_runs_are_published_loses_and_doubles_nothing(
    servers: Team, client: MlflowClient, tmp_path: Path
) -> None:
    project = unpublished(servers, tmp_path, "crash")
    before = int(servers.postgres.sql("SELECT count(*) FROM runs", "mlflow")[0][0])
    here = {**variables(servers), "MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    with started(project, here, "pipelines", "publish", "--study", "crash.yaml") as process:
        assert comes_true(lambda: int(servers.postgres.sql("SELECT count(*) FROM runs", "mlflow")[0][0]) > before + 2)
        servers.postgres.die()
        assert process.wait(LIMIT_S) == 2
    said = (project / "out.txt").read_text()
    assert said.startswith("m2pt: MLFLOW_TRACKING_URI: ") and len(said.splitlines()) == 1, said
    servers.postgres.start()
    is_made_good(servers, client, project, "crash")


def test_a_store_of_files_that_is_full_is_told_and_made_good(servers: Team, client: MlflowClient, tmp_path: Path) -> None:
    project = unpublished(servers, tmp_path, "full")
    with mounted(servers.mlflow.folder / "artifacts", "size=16k"):
        told = m2pt(project, variables(servers), "publish", "--study", "full.yaml")
        assert told.returncode == 2 and len(told.stderr.splitlines()) == 1, told.stdout + told.stderr
        assert "MLFLOW_TRACKING_URI" in told.stderr and "Traceback" not in told.stderr
    is_made_good(servers, client, project, "full")


def test_a_prefect_server_that_stays_away_holds_up_nothing(servers: Team, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", "alone", 12)
    command = ("pipelines", "study", "--study", "alone.yaml")
    with started(project, variables(servers), *command) as process:
        assert comes_true(lambda: list(project.rglob("history.jsonl")) or process.poll() is not None)
        servers.prefect.stop(signal.SIGKILL)
        code = process.wait(LIMIT_S)
    output = (project / "out.txt").read_text()
    assert code == 0 and "Traceback" not in output, output
    assert f"Prefect's server at {servers.prefect.address}/api does not answer: the study goes on" in output
    assert (project / "build/alone/reports/index.html").is_file()
    servers.prefect.start()


def test_a_backup_brings_everything_back(done: Done, servers: Team, client: MlflowClient, tmp_path: Path) -> None:
    """The steps of docs/how-to/team.md, on a server that lost all."""
    before = rows(servers)
    databases = ("mlflow", "mlflow_auth", "prefect")
    for name in databases:
        servers.postgres.run("pg_dump", "--format=custom", "--file", tmp_path / f"{name}.dump", name)
    shutil.copytree(servers.mlflow.folder / "artifacts", tmp_path / "artifacts")
    for server in (servers.mlflow, servers.prefect):
        server.stop()
    shutil.rmtree(servers.mlflow.folder / "artifacts")
    for name in databases:
        servers.postgres.run("dropdb", "--force", name)
        servers.postgres.run("createdb", name)
        servers.postgres.run("pg_restore", "--exit-on-error", "--dbname", name, tmp_path / f"{name}.dump")
    shutil.copytree(tmp_path / "artifacts", servers.mlflow.folder / "artifacts")
    servers.mlflow.run("mlflow", "db", "upgrade", "postgresql+psycopg2:///mlflow")  # the step of an upgrade, with nothing to do
    for server in (servers.mlflow, servers.prefect):
        server.start()
    assert rows(servers) == before
    require_equal(client, "joint", done.project)
