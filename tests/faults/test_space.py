"""A disk that is full: the study stops with one sentence, and is completed when there is space."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.patient, pytest.mark.timeout(600)]

STUDY = ("pipelines", "study", "--study", "tiny.yaml")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", 3, seeds="0, 1, 2, 3")
    end_all(tmp_path)


def test_no_space_for_runs_stops_the_study_and_then_goes_on(project: Path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    runs = project / "runs"
    runs.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", runs], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with started(project, kept, *STUDY) as process:
            assert process.wait(PATIENCE_S) == 2, (project / "out.txt").read_text()
        said = (project / "out.txt").read_text()
        assert said.splitlines()[-1].startswith("m2pt: ") and "No space left on device" in said and "m2pt gc" in said, said
        assert "Traceback" not in said
        assert "4 failed" not in said
        subprocess.run(["mount", "-o", "remount,size=64m", runs], check=True)
        with started(project, kept, *STUDY) as process:
            assert process.wait(PATIENCE_S) == 0, (project / "out.txt").read_text()
        assert len(list(runs.glob("tiny/*/record.json"))) == 4
    finally:
        subprocess.run(["umount", "-l", runs], check=True)
