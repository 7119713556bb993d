"""Places that are full or cannot be written to: one sentence says which, nothing is harmed, and a later start completes it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.patient, pytest.mark.timeout(600)]

STUDY = ("pipelines", "study", "--study", "tiny.yaml")
RUNS = 4
SEEDS = ", ".join(map(str, range(RUNS)))
_STORE = "store/mlflow.db"

STOPS, ENDS = 2, 0
"""Exit codes: the study stops with one sentence, or it ends with all of its runs."""


@dataclass(frozen=True)
class Place:
    """A folder of the project, how the study ends while nothing can be written there, and what is said."""

    folder: str
    code: int
    words: str


FULL = (
    Place("runs", STOPS, "No space left on device"),
    Place("build", STOPS, "No space left on device"),
    Place(".m2pt", STOPS, "No space left on device"),
    Place("store", ENDS, "store/mlflow.db"),
    Place("mlartifacts", ENDS, "mlartifacts"),
    Place(".prefect", ENDS, ".prefect"),
)
READ_ONLY = (
    Place("runs", STOPS, "runs"),
    Place("build", STOPS, "build"),
    Place(".m2pt", STOPS, ".m2pt/logs"),
    Place("store", ENDS, "store/mlflow.db"),
    Place("mlartifacts", ENDS, "mlartifacts"),
)


def variables(folder: str = "") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | ({"MLFLOW_TRACKING_URI": f"sqlite:///{_STORE}"} if folder == "store" else {})


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", 3, seeds=SEEDS)
    end_all(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of a study to which nothing happens."""
    project = make_project(tmp_path_factory.mktemp("undisturbed"), "tiny", 3, seeds=SEEDS)
    study(project, ENDS)
    end_all(project)
    return results(project)


def study(project: Path, code: int, folder: str = "") -> str:
    """What a start of the study says that ends with this code."""
    with started(project, variables(folder), *STUDY) as process:
        assert process.wait(PATIENCE_S) == code, (project / "out.txt").read_text()
    said = (project / "out.txt").read_text()
    assert "Traceback" not in said, said
    return said


def results(project: Path) -> bytes:
    return (project / "build/tiny/reports/results.csv").read_bytes()


@contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def disturbed(project: Path, place: Place, options: str, whole: str, undisturbed: bytes) -> None:
    """Do the study while a place is as `options` say, and again when it is as `whole` says."""
    with mounted(project / place.folder, options):
        said = study(project, place.code, place.folder)
        assert place.words in said, said
        if place.code == STOPS:
            assert said.splitlines()[-1].startswith("m2pt: ") and f"{RUNS} failed" not in said, said
        subprocess.run(["mount", "-o", f"remount,{whole}", project / place.folder], check=True)
        study(project, ENDS, place.folder)
        assert results(project) == undisturbed
        assert "nothing to run" in study(project, ENDS, place.folder)


@pytest.mark.parametrize("place", FULL, ids=lambda place: place.folder.strip("."))
def test_no_space(project: Path, place: Place, undisturbed: bytes):
    disturbed(project, place, "size=64k", "size=64m", undisturbed)


@pytest.mark.parametrize("place", READ_ONLY, ids=lambda place: place.folder.strip("."))
def test_a_folder_that_cannot_be_written(project: Path, place: Place, undisturbed: bytes):
    disturbed(project, place, "size=64m,ro", "rw", undisturbed)
