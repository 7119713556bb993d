"""A project folder with a small study whose runs are complete."""

import json
from pathlib import Path

import pytest

from m2pt.config.study_file import load_study
from m2pt.files import documents
from m2pt.runs.folder import MERGED, RECORD, create_run
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.plan import resolve
from tests.run_records import finetune_document

STUDY = """
study: small
data: {root: data}
encoders: {}
sweep: {seeds: SEEDS, targets: [image], auxiliaries: [], methods: [baseline], settings: [scratch],
        target_encoder: random, auxiliary_encoder: random}
"""


def declare(seeds: list[int]) -> None:
    Path("params.yaml").write_text(STUDY.replace("SEEDS", json.dumps(seeds)))


def tidy() -> None:
    """What every start of the study does first: runs that it does not declare go aside, declared ones come back."""
    with Session(load_study("params.yaml"), Display()) as session:
        session.tidy()


def complete_all() -> list[Path]:
    """Complete runs of the study as declared, each with weights of 1,000 bytes."""
    run_dirs = []
    for spec in resolve(load_study("params.yaml")).runs:
        run_dir = create_run(Path("runs/small"), spec)
        (run_dir / MERGED).write_bytes(bytes(1000))
        (run_dir / "local").mkdir(exist_ok=True)
        documents.write_json(run_dir / RECORD, finetune_document(run_dir.name))
        run_dirs.append(run_dir)
    return run_dirs


def tree() -> dict[str, bytes]:
    """Every file of the project with its content, and every link with where it points."""
    files = [path for path in sorted(Path().rglob("*")) if ".m2pt" not in path.parts]
    return {
        str(path): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in files
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with data and a study of three complete runs."""
    root = tmp_path / "project"
    (root / "data/image").mkdir(parents=True)
    (root / "data/image/one.txt").write_text("1")
    monkeypatch.chdir(root)
    for name in ("MLFLOW_TRACKING_URI", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    declare([0, 1, 2])
    complete_all()
    return root
