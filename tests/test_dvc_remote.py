"""A second clone pulls what the first one pushed to a remote of DVC's, instead of computing it again; by DVC's own commands."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from m2pt.runs.folder import ENCODER, EXECUTION, MERGED, RECORD
from tests.pipelines.tracking.test_dvc_study import DATA, IDENTITY, LEFT, STUDY, TRACKED

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.patient, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Clone:
    """A clone of a project's repository."""

    root: Path

    def run(self, *command: str) -> str:
        """What a command prints, which must succeed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT", "DVC"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        quiet = {"PATH": path, "DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(self.root / ".m2pt/dvc")}
        done = subprocess.run(command, cwd=self.root, env=kept | quiet, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def m2pt(self, *arguments: str) -> str:
        """What a command of m2pt prints."""
        return self.run(sys.executable, "-m", "pipelines", *arguments)

    def dvc(self, *arguments: str) -> str:
        """What a command of DVC prints."""
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def clone(self, name: str) -> "Clone":
        """Another clone, beside this one."""
        self.run("git", "clone", "-q", ".", f"../{name}")
        return Clone(self.root.with_name(name))

    def contents(self, *names: str) -> dict[str, bytes]:
        """The files of these names in all encoders and runs."""
        folders = (self.root / "encoders/embedded", self.root / "runs/embedded")
        found = (path for folder in folders for name in names for path in folder.glob(f"*/{name}"))
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(found)}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A small study that is complete, committed and pushed to a folder, as docs/how-to/dvc.md says."""
    root = tmp_path_factory.mktemp("remote") / "first"
    root.mkdir()
    for name in TRACKED:
        shutil.copytree(ROOT / name, root / name, ignore=LEFT) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, root)
    (root / "params.yaml").write_text(STUDY)
    (root / "data.dvc").write_text(DATA)
    clone = Clone(root)
    clone.run("git", "init", "-q")
    clone.m2pt("study")
    clone.dvc("remote", "add", "--default", "storage", str(root.with_name("storage")))
    clone.run("git", "add", ".")
    clone.run("git", *IDENTITY, "commit", "-qm", "A study")
    clone.dvc("push")
    assert len(clone.contents(RECORD)) == 2 + 8
    return clone


def test_a_clone_that_pulls_everything_has_nothing_to_run_and_the_same_bytes(first: Clone) -> None:
    second = first.clone("everything")
    second.dvc("pull")
    assert second.contents(RECORD, ENCODER, MERGED) == first.contents(RECORD, ENCODER, MERGED)
    assert "up to date" in second.dvc("status")
    assert "embedded: everything is up to date, nothing to run." in second.m2pt("study")
    assert second.run("git", "status", "--short") == ""
    assert second.contents(EXECUTION) == {}, "nothing was computed"


def test_a_clone_that_pulls_data_and_encoders_trains_more_runs_and_no_encoder(first: Clone) -> None:
    second = first.clone("encoders")
    second.dvc("pull", "data.dvc", "pretrain")
    assert not (second.root / "runs").exists() and not (second.root / "build").exists()
    encoders = second.contents(RECORD, ENCODER)
    assert len(encoders) == 2 * 2
    (second.root / "params.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    assert "embedded: 12 of 12 fine-tuning runs are complete." in second.m2pt("study")
    trained = {path.split("/")[0] for path in second.contents(EXECUTION)}
    assert trained == {"runs"}, "encoders were pulled"
    assert {
        path: content for path, content in second.contents(RECORD, ENCODER).items() if path.startswith("encoders/")
    } == encoders
    common = first.contents(RECORD)
    assert {path: content for path, content in second.contents(RECORD).items() if path in common} == common, "the same runs"
