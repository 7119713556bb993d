"""A study that is done, and copies of it to damage."""

import shutil
from pathlib import Path

import pytest

from m2pt.config import Study
from m2pt.config.study_file import parse_study
from m2pt.data.embedded import write_embedded
from tests.faults.rotten import STUDY, complete, results


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        study = parse_study(STUDY, "study.yaml")
        assert study.data.embedded is not None
        write_embedded(Path("data"), study.data.embedded)
        complete(study)
        (folder / "results.csv").write_bytes(results(study))
    return folder


@pytest.fixture
def study(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    shutil.copytree(whole, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return parse_study(STUDY, "study.yaml")
