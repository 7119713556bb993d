"""Servers that are gone, frozen, damaged or refuse: a study ends with its report, and one sentence says what is wrong."""

import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.scheduling.pages import START_LIMIT_S
from tests.pipelines.scheduling.conftest import end_all, make_project, started, trains
from tests.pipelines.scheduling.test_killed import states
from tests.waiting import PATIENCE_S, comes_true

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc"),
    pytest.mark.timeout(600),
]

STUDY = ("pipelines", "study", "--study", "tiny.yaml")
END_LIMIT_S = 30.0
"""What the docs promise for the time from the last run to the end of the command."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", 2000)
    end_all(tmp_path)


@pytest.fixture
def variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def said(project: Path) -> str:
    return (project / "out.txt").read_text()


def server_in(project: Path) -> int:
    (found,) = [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit()
        and _in(process, project)
        and b"pipelines.scheduling.server_process" in (process / "cmdline").read_bytes()
    ]
    return found


def _in(process: Path, project: Path) -> bool:
    try:
        return (process / "cwd").readlink() == project
    except OSError:
        return False


def is_shown(project: Path, shown: bool = True) -> bool:
    """Whether its page shows the study; nothing waits for that."""
    return bool(states(project)) is shown


def is_whole(project: Path) -> bool:
    """Whether the study has ended with all that it owes: the record, the report, and the run in MLflow as finished."""
    (_,) = project.glob("runs/tiny/*/record.json")
    assert (project / "build/tiny/reports/index.html").is_file()
    with sqlite3.connect(f"{(project / 'mlflow.db').as_uri()}?mode=ro", uri=True) as database:
        return database.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone() == (2,)


@pytest.mark.patient
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("shown", [False, True], ids=["while it starts", "later"])
def test_prefect_gone_in_the_middle(project: Path, variables: dict[str, str], fault: signal.Signals, shown: bool):
    with started(project, variables, *STUDY) as process:
        assert comes_true(lambda: (trains(project) and is_shown(project, shown)) or process.poll() is not None), said(project)
        assert is_shown(project, shown), said(project)
        os.kill(server_in(project), fault)
        assert comes_true(lambda: any(project.glob("runs/tiny/*/record.json")) or process.poll() is not None), said(project)
        before = time.monotonic()
        assert process.wait(PATIENCE_S) == 0, said(project)
        assert time.monotonic() - before < END_LIMIT_S + (0 if shown else START_LIMIT_S)
    told = [line for line in said(project).splitlines() if "Prefect" in line]
    assert len(told) == 1 and "delete" in told[0] and ".prefect" in told[0], said(project)
    assert "Traceback" not in said(project)
    assert is_whole(project)


@pytest.mark.patient
def test_prefects_database_damaged(project: Path, variables: dict[str, str]):
    home = project / ".prefect"
    home.mkdir()
    (home / "prefect.db").write_bytes(os.urandom(40960))
    with started(project, variables, *STUDY) as process:
        assert process.wait(PATIENCE_S) == 0, said(project)
    told = [line for line in said(project).splitlines() if "Prefect" in line]
    assert len(told) == 1 and re.search(r"damaged.*delete .*/\.prefect", told[0]), said(project)
    assert is_whole(project)


@pytest.mark.patient
def test_prefects_database_damaged_in_the_middle(project: Path, variables: dict[str, str]):
    """Under the server that uses it: what it has open is no database any more."""
    with started(project, variables, *STUDY) as process:
        assert comes_true(lambda: (trains(project) and is_shown(project)) or process.poll() is not None), said(project)
        for path in (project / ".prefect").glob("prefect.db*"):
            path.write_bytes(os.urandom(max(40960, path.stat().st_size)))
        assert process.wait(PATIENCE_S) == 0, said(project)
    told = [line for line in said(project).splitlines() if "Prefect" in line]
    assert len(told) == 1 and "delete" in told[0] and ".prefect" in told[0], said(project)
    assert "Traceback" not in said(project)
    assert is_whole(project)


@pytest.mark.patient
def test_prefects_home_read_only(project: Path, variables: dict[str, str]):
    home = project / ".prefect"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", home], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with started(project, variables, *STUDY) as process:
            assert process.wait(PATIENCE_S) == 0, said(project)
    finally:
        subprocess.run(["umount", "-l", home], check=True)
    told = [line for line in said(project).splitlines() if "Prefect" in line]
    assert len(told) == 1 and ".prefect" in told[0], said(project)
    assert is_whole(project)


@pytest.mark.patient
def test_a_kill_between_report_and_publishing_is_made_good(project: Path, variables: dict[str, str]):
    """Also an outage, and a place of another tracker: the start that has nothing to run publishes what is owed, once."""
    gone = variables | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    (project / "tiny.yaml").write_text((project / "tiny.yaml").read_text().replace("epochs: 300", "epochs: 2"))
    with started(project, gone, *STUDY) as process:
        assert process.wait(PATIENCE_S) == 0, said(project)
    assert said(project).count("MLFLOW_TRACKING_URI: 127.0.0.1:9 does not answer") == 2, "runs and report"
    with started(project, gone, *STUDY) as process:
        assert process.wait(PATIENCE_S) == 0, said(project)
    assert "nothing to run" in said(project) and "127.0.0.1:9 does not answer" in said(project)
    for publishes in (True, False):
        with started(project, variables, *STUDY) as process:
            assert process.wait(PATIENCE_S) == 0, said(project)
        assert "nothing to run" in said(project)
        assert ("publishing what the tracker may lack" in said(project)) == publishes, said(project)
        assert is_whole(project)
