"""A study in folders that cannot be written to can still be planned, looked at and reported elsewhere."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from m2pt.files import documents
from m2pt.files.access import can_write
from m2pt.runs.folder import RECORD, create_run
from pipelines.planning.plan import resolve
from pipelines.planning.study_file import load
from tests.pipelines.commands.test_cli import STUDY
from tests.run_records import finetune_document

ROOT = Path(__file__).parents[3]
_CAPBSET_DROP = 24
_RIGHTS_OF_ROOT = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root writes and reads in spite of a file's mode."""


def _as_anybody() -> None:
    """Give up root's exemption from modes, for the program that is started next."""
    libc = ctypes.CDLL(None)
    for right in _RIGHTS_OF_ROOT:
        if libc.prctl(_CAPBSET_DROP, right, 0, 0, 0) != 0:
            os._exit(77)


MOUNTED = (
    "unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c",
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"',
)  # fmt: skip
"""Does a command in a folder that is a read-only file system to it; the folder comes first."""


@dataclass(frozen=True)
class Project:
    """A study in a folder that its commands cannot write to, by the folder's modes or because its file system is read-only."""

    folder: Path
    is_mounted: bool

    def run(self, *arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
        """A command of m2pt, or a program."""
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "DVC", "MPL"))
        }
        program = ["-c", code] if code else ["-m", "pipelines", *arguments]
        before = [*MOUNTED, str(self.folder)] if self.is_mounted else []
        return subprocess.run(
            [*before, sys.executable, *program],
            cwd=self.folder,
            env=variables | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=_as_anybody if os.geteuid() == 0 and not self.is_mounted else None,
            capture_output=True,
            text=True,
        )


@pytest.fixture(params=["modes", "mount"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A study with data and complete runs, in which nothing can be written; only `elsewhere` can."""
    project = Project(tmp_path / "study", request.param == "mount")
    if project.is_mounted and (shutil.which("unshare") is None or subprocess.run([*MOUNTED, str(tmp_path), "true"]).returncode):
        pytest.skip("this process can mount nothing")
    folder = project.folder
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(STUDY)
    Path("asks.yaml").write_text(f"{STUDY}design: {{questions: [{{method: random_auxiliary, over: baseline}}]}}\n")
    Path("build/small/image").mkdir(parents=True)
    Path("build/small/image/one.txt").write_text("1")
    for spec in resolve(load("params.yaml")).runs:
        documents.write_json((run_dir := create_run(Path("runs/small"), spec)) / RECORD, finetune_document(run_dir.name))
    for path in Path(".m2pt").rglob("*.json"):
        path.unlink()  # what was remembered, so that it would be written again
    modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")]}
    for path, mode in modes.items():
        path.chmod(mode if project.is_mounted else mode & ~0o222)
    try:
        if project.run(code="open('new.txt', 'w')").returncode == 0:
            pytest.skip("this process can write in spite of modes, and cannot give that right up")
        yield project
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


LOOKS = (
    "runs/looks.jsonl: cannot be written, so that it could not be noted that these results were looked at; copy the project's "
    "folder, and run the command in the copy."
)


def contents(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_plan_status_and_report_work_where_nothing_can_be_written(project: Project, tmp_path: Path):
    before = contents(project.folder)
    plan = project.run("plan")
    assert (plan.returncode, plan.stderr) == (0, "")
    assert "runs      4 (4 complete)" in plan.stdout
    status = project.run("status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "small: 4 (4 complete)" in status.stdout
    out = tmp_path / "elsewhere"
    report = project.run("report", "--out", str(out))
    assert (report.returncode, report.stderr) == (0, "")
    assert (out / "index.html").is_file()
    assert "so it is not noted that these results were looked at" in report.stdout
    assert contents(project.folder) == before


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["report"], "reports: cannot be written; name a folder that can: `m2pt report --out FOLDER`."),
        (["ui"], "{folder}: this folder cannot be written to, as `m2pt ui` has to; copy the folder, and run it there."),
        (["serve", "--every", "9"],
         "{folder}: this folder cannot be written to, as `m2pt serve` has to; copy the folder, and run it there."),
        (["plan", "--seeds-needed", "--study", "asks.yaml"], LOOKS),
    ],
)  # fmt: skip
def test_what_must_be_written_is_refused_in_one_sentence(project: Project, command: list[str], sentence: str):
    done = project.run(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"m2pt: {sentence.format(folder=project.folder)}\n"


def test_a_place_can_be_written_if_its_nearest_folder_can(tmp_path: Path):
    assert can_write(tmp_path / "a/b/c.txt")
    (tmp_path / "file").write_text("")
    assert not can_write(tmp_path / "file/b/c.txt")
