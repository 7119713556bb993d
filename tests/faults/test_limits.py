"""Limits of a process, and full places for data, checkpoints and DVC's cache: one sentence, nothing harmed, and a way back."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.test_space import ENDS, RUNS, SEEDS, STOPS, STUDY, mounted, results, study, variables
from tests.pipelines.scheduling.conftest import end_all, jobs, make_project, started
from tests.pipelines.tracking.test_dvc_study import DATA, LEFT, ROOT, TRACKED
from tests.pipelines.tracking.test_dvc_study import STUDY as DEFAULT_STUDY
from tests.waiting import PATIENCE_S, comes_true

pytestmark = [pytest.mark.patient, pytest.mark.timeout(900)]

EPOCHS = 30
_EMBEDDED = "{root: data, embedded: {pretrain: 10, train: 40, val: 20, test: 20}}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", EPOCHS, seeds=SEEDS)
    end_all(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of a study to which nothing happens."""
    project = make_project(tmp_path_factory.mktemp("undisturbed"), "tiny", EPOCHS, seeds=SEEDS)
    study(project, ENDS)
    end_all(project)
    return results(project)


def widened(place: Path) -> None:
    """Make room in a place that was full."""
    subprocess.run(["mount", "-o", "remount,size=200m", place], check=True)


def test_no_space_for_the_data(project: Path):
    """They are made completely or not at all, and a start with space makes them."""
    shutil.rmtree(project / "data")
    (project / "tiny.yaml").write_text((project / "tiny.yaml").read_text().replace("{root: data}", _EMBEDDED))
    with mounted(project / "data", "size=64k"):
        said = study(project, STOPS)
        assert said.splitlines()[-1].startswith("m2pt: data/") and "No space left on device" in said, said
        assert not [path for path in (project / "data").iterdir() if path.name != "embedded.json"], "nothing half-made stays"
        widened(project / "data")
        study(project, ENDS)
        assert len(results(project).splitlines()) == 1 + RUNS


def test_no_space_for_a_checkpoint(project: Path, undisturbed: bytes):
    """Its run stops the study with the file's name; what is done stays done."""
    words = [sys.executable, "-m", "pipelines", "plan", "--study", "tiny.yaml", "--json"]
    planned = json.loads(subprocess.run(words, cwd=project, env=variables(), capture_output=True, check=True).stdout)
    local = project / "runs/tiny" / planned["runs"][-1]["run_id"] / "local"
    with mounted(local, "size=48k"):
        said = study(project, STOPS)
        assert re.search(r"(checkpoint\.pt|execution\.json): cannot be written \(No space left on device\)", said), said
        assert not list(local.glob(".checkpoint*")), "nothing half-written stays"
        complete = {path: path.stat().st_mtime_ns for path in project.glob("runs/tiny/*/record.json")}
        widened(local)
        study(project, ENDS)
        assert results(project) == undisturbed
        assert {path: path.stat().st_mtime_ns for path in complete} == complete


def test_sixty_four_open_files_are_enough(project: Path, undisturbed: bytes):
    with started(project, variables(), *STUDY, limits=("prlimit", "--nofile=64")) as process:
        assert process.wait(PATIENCE_S) == 0, (project / "out.txt").read_text()
    assert f"{RUNS} of {RUNS} fine-tuning runs are complete" in (said := (project / "out.txt").read_text())
    assert "Traceback" not in said and "MLFLOW" not in said and "Prefect" not in said, said
    assert results(project) == undisturbed


def test_little_memory_for_one_worker_costs_an_attempt_and_harms_nothing(project: Path, undisturbed: bytes):
    """The process that has no more is named and ended; another one does its run."""
    with started(project, variables(), *STUDY) as process:
        assert comes_true(lambda: any(project.glob("runs/tiny/*/history.jsonl")) or process.poll() is not None)
        (worker,) = jobs(project)
        used = int(next(line for line in Path(f"/proc/{worker}/status").read_text().splitlines() if "VmSize" in line).split()[1])
        resource.prlimit(worker, resource.RLIMIT_AS, (used * 1024, used * 1024))
        code = process.wait(PATIENCE_S)
    said = (project / "out.txt").read_text()
    assert "Traceback" not in said, said
    logs = "".join(path.read_text() for path in project.glob("runs/tiny/*/local/log.txt"))
    assert re.search(r"allocate memory|could not create a primitive|MemoryError", logs), "it was felt"
    assert code == ENDS and f"{RUNS} of {RUNS} fine-tuning runs are complete" in said, said
    assert results(project) == undisturbed


@contextmanager
def default_project(root: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A small study that DVC does."""
    root.mkdir()
    for name in TRACKED:
        shutil.copytree(ROOT / name, root / name, ignore=LEFT) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, root)
    (root / "params.yaml").write_text(DEFAULT_STUDY)
    (root / "data.dvc").write_text(DATA)
    subprocess.run(["git", "init", "-q", root], check=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    yield root, variables() | {"PATH": path, "DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(root / ".m2pt/dvc")}
    end_all(root)


def test_no_space_for_the_cache_of_dvc(tmp_path: Path):
    with default_project(tmp_path / "project") as (root, environment), mounted(root / ".dvc/cache", "size=64k"):
        with started(root, environment, "pipelines", "study") as process:
            code = process.wait(PATIENCE_S)
        said = (root / "out.txt").read_text()
        assert code in (1, 2) and "No space left on device" in said and "Traceback" not in said, said
        widened(root / ".dvc/cache")
        with started(root, environment, "pipelines", "study") as process:
            assert process.wait(PATIENCE_S) == 0, (root / "out.txt").read_text()
        assert (root / "reports/results.csv").is_file() and "No space" not in (root / "out.txt").read_text()
