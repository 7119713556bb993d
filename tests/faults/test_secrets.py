"""Passwords planted in everything that takes one are found nowhere in what a study leaves behind and prints."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.scheduling.conftest import end_all, make_project, started
from tests.waiting import PATIENCE_S

CANARY = "cAnAry7261"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path, "tiny", 2)
    end_all(tmp_path)


@pytest.mark.patient
@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", ["http://ann:{}1@127.0.0.1:9", "postgresql://ann:{}2@127.0.0.1:9/mlflow", ""])
def test_no_secret_is_left_behind(project: Path, store: str):
    """With stores that are down, and with the project's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    kept |= {name: f"{CANARY}-{name}" for name in ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_KEY")}
    kept |= {"M2PT_NOTIFY_URL": f"http://bob:{CANARY}3@127.0.0.1:9/{CANARY}4?key={CANARY}5"}
    kept |= {"MLFLOW_TRACKING_URI": store.format(CANARY)} if store else {}
    with started(project, kept, "pipelines", "study", "--study", "tiny.yaml") as process:
        assert process.wait(PATIENCE_S) == 0, (project / "out.txt").read_text()
    assert "M2PT_NOTIFY_URL" in (project / "out.txt").read_text(), "the refused notice is told"
    files = [path for folder, _, names in os.walk(project) for path in (Path(folder) / name for name in names)]
    assert any(path.name == "prefect.db" for path in files) and len(files) > 50
    assert [path for path in files if path.is_file() and CANARY.encode() in path.read_bytes()] == []
