"""Passwords planted in everything that takes one are found nowhere in what a study leaves behind and prints."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.faults.broken_server import broken_server
from tests.pipelines.deploy.servers import SETTINGS, Postgres, programs
from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.pipelines.tracking.test_dvc_study import DATA, LEFT, ROOT, STUDY, TRACKED
from tests.waiting import PATIENCE_S, comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(900)]

CANARY = "cAnAry7261"
_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_KEY",
    "GDRIVE_CREDENTIALS_DATA",
    "MLFLOW_TRACKING_PASSWORD",
    "PREFECT_API_KEY",
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", 2)
    end_all(tmp_path)


def planted(**more: str) -> dict[str, str]:
    """The environment of a command with a secret in each variable that takes one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    kept |= {name: f"{CANARY}-{name}" for name in _VARIABLES}
    kept |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return kept | {"M2PT_NOTIFY_URL": f"http://bob:{CANARY}3@127.0.0.1:9/{CANARY}4?key={CANARY}5"} | more


def said(project: Path, environment: dict[str, str], *words: str, code: int = 0) -> str:
    """What a command says, and keeps it in the project, where everything is searched."""
    with started(project, environment, "pipelines", *words) as process:
        assert process.wait(PATIENCE_S) == code, (project / "out.txt").read_text()
    out = project / "out.txt"
    with (project / "said.txt").open("a") as everything:
        everything.write(out.read_text())
    return out.read_text()


def holding(project: Path, *words: str) -> list[Path]:
    """The files of a project that hold one of some words."""
    files = [path for folder, _, names in os.walk(project) for path in (Path(folder) / name for name in names) if path.is_file()]
    assert len(files) > 50
    return [path for path in files if any(word.encode() in path.read_bytes() for word in words)]


@pytest.mark.parametrize("store", ["http://ann:{}1@127.0.0.1:9", "postgresql://ann:{}2@127.0.0.1:9/mlflow", ""])
def test_no_secret_is_left_behind(project: Path, store: str):
    """With stores that are down, and with the project's own."""
    environment = planted(**({"MLFLOW_TRACKING_URI": store.format(CANARY)} if store else {}))
    told = said(project, environment, "study", "--study", "tiny.yaml")
    assert "M2PT_NOTIFY_URL" in told, "the refused notice is told"
    for command in ("publish", "status", "plan", "verify", "report", "gc"):
        said(project, environment, command, "--study", "tiny.yaml", code=2 if store and command == "publish" else 0)
    assert (project / ".prefect/prefect.db").is_file()
    assert holding(project, CANARY) == []


@pytest.mark.parametrize("fault", ["refuse", "forbid"])
def test_a_server_that_refuses_and_repeats_what_it_was_sent_is_told_without_it(project: Path, fault: str):
    """MLflow's, Prefect's and the one for notices answer with the address and the password, as pages of errors do."""
    with broken_server("http://127.0.0.1:9", fault) as broken:
        place = broken.address.removeprefix("http://")
        address = f"http://ann:{CANARY}1@{place}"
        broken.words = f"Not for you: {address}/api?token={CANARY}2"
        environment = planted(MLFLOW_TRACKING_URI=address, M2PT_NOTIFY_URL=f"{address}/{CANARY}4?key={CANARY}5")
        del environment["MLFLOW_TRACKING_PASSWORD"]
        prefect = {"PREFECT_API_URL": f"{broken.address}/api", "PREFECT_API_AUTH_STRING": f"ann:{CANARY}6"}
        assert "PREFECT_API_URL: " in said(project, environment | prefect, "study", "--study", "tiny.yaml", code=2)
        told = said(project, environment, "study", "--study", "tiny.yaml")
        assert f"MLFLOW_TRACKING_URI: {place} " in told and "M2PT_NOTIFY_URL" in told, told
        assert "Traceback" not in told
        for command, code in (("publish", 2), ("ui", 2), ("status", 0)):
            said(project, environment, command, "--study", "tiny.yaml", code=code)
        assert broken.served > 3
    assert holding(project, CANARY) == []


def look_at_pages(project: Path, environment: dict[str, str], opens: bool) -> None:
    """Open the pages, where they can be, and end them; what was said is kept for the search."""
    out = project / "out.txt"
    with started(project, environment, "pipelines", "ui", "--study", "tiny.yaml", "--port", "0") as process:
        assert comes_true(lambda: "http://127.0.0.1:" in out.read_text() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    assert ("http://127.0.0.1:" in out.read_text()) == opens, out.read_text()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A database for MLflow that is up."""
    folder = Path(mkdtemp(prefix="secrets-"))
    folder.chmod(0o755)
    (folder / "postgres").mkdir()
    database = Postgres(programs(), folder / "postgres")
    try:
        database.start()
        database.run("createdb", "mlflow")
        yield database
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("word", [SETTINGS["DATABASE_PASSWORD"], f"{CANARY}-wrong"], ids=["up", "refusing"])
def test_the_password_of_a_database_that_is_up_is_nowhere(project: Path, postgres: Postgres, word: str):
    is_right = CANARY not in word
    environment = planted(MLFLOW_TRACKING_URI=f"postgresql://m2pt:{word}@127.0.0.1:{postgres.port}/mlflow")
    told = said(project, environment, "study", "--study", "tiny.yaml")
    assert ("MLFLOW_TRACKING_URI" in told) == (not is_right) and "Traceback" not in told, told
    told = said(project, environment, "publish", "--study", "tiny.yaml", code=0 if is_right else 2)
    assert f"127.0.0.1:{postgres.port}" in told
    look_at_pages(project, environment, opens=is_right)
    (project / "dumped.sql").write_text(postgres.run("pg_dump", "mlflow"))
    assert not is_right or (project / "dumped.sql").read_text().count("m2pt.run_id") == 1
    assert holding(project, CANARY, word) == []
    assert word not in postgres.log.read_text()


def test_the_pages_of_the_project_show_no_secret_of_another(project: Path):
    """`m2pt ui` with the project's own stores: it tells where its own password is, and none that was planted."""
    environment = planted()
    said(project, environment, "study", "--study", "tiny.yaml")
    look_at_pages(project, environment, opens=True)
    assert holding(project, CANARY) == []


def test_the_secrets_of_a_remote_of_dvc_stay_in_its_own_file(tmp_path: Path):
    """The default study, which DVC does, with a remote that is down."""
    project = tmp_path / "project"
    project.mkdir()
    for name in TRACKED:
        shutil.copytree(ROOT / name, project / name, ignore=LEFT) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, project)
    (project / "params.yaml").write_text(STUDY)
    (project / "data.dvc").write_text(DATA)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = planted(PATH=path, DVC_NO_ANALYTICS="true", DVC_SITE_CACHE_DIR=str(project / ".m2pt/dvc"))

    def dvc(*words: str) -> int:
        done = subprocess.run([sys.executable, "-m", "dvc", *words], cwd=project, env=environment, capture_output=True)
        return done.returncode

    subprocess.run(["git", "init", "-q", project], check=True)
    assert dvc("remote", "add", "--default", "storage", f"http://bob:{CANARY}7@127.0.0.1:9/store") == 0
    assert dvc("remote", "modify", "--local", "storage", "password", f"{CANARY}8") == 0
    said(project, environment, "study")
    said(project, environment, "status")
    end_all(project)
    kept = {project / ".dvc/config", project / ".dvc/config.local"}
    assert set(holding(project, CANARY)) == kept, "where DVC itself was told to keep them"
