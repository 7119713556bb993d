"""A project folder with an empty MLflow database."""

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from pipelines.tracking.mlflow_client import make_tables
from pipelines.tracking.mlflow_store import ensure_database, locate


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs; to make one takes a second."""
    store = locate(f"sqlite:///{tmp_path_factory.mktemp('template')}/mlflow.db")
    assert store.database
    ensure_database(store, make_tables)
    return store.database


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with an empty tracking database, as current folder."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return new_project(tmp_path / "a project", empty_database, monkeypatch)


def new_project(root: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database of its own, as current folder."""
    root.mkdir()
    shutil.copy(empty_database, root / "mlflow.db")
    monkeypatch.chdir(root)
    return root
