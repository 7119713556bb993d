"""Small embedded data sets, made once, and copies of them that a test may damage."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from m2pt.config import EmbeddedData
from m2pt.data.embedded import write_embedded

SIZES = EmbeddedData(pretrain=20, train=20, val=10, test=10)


@pytest.fixture(scope="session")
def embedded_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("embedded") / "data"
    write_embedded(root, SIZES, root.parent / "cache")
    return root


@pytest.fixture
def copied(embedded_root: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A function that copies one modality's folder to a place where it may be damaged."""

    def copy(modality: str) -> Path:
        return Path(shutil.copytree(embedded_root / modality, tmp_path / modality))

    return copy
