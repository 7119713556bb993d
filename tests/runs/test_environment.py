"""With what a run is computed: told apart by content alone, and by git where the source is git's."""

import shutil
import subprocess
from pathlib import Path

import grimp
import pytest

import m2pt
from m2pt.config import UserError
from m2pt.runs import environment, source
from m2pt.runs.attempts import contributing
from m2pt.runs.environment import EnvironmentFacts
from tests import run_records

PACKAGE = Path(m2pt.__file__).parent
HERE = environment.facts("cpu", "a processor", 1)


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(PACKAGE, tmp_path / "m2pt", ignore=shutil.ignore_patterns("__pycache__")))


def test_a_copy_of_the_package_without_git_has_the_same_digest(copy):
    assert source.digest_of(copy) == source.code_sha256()


@pytest.mark.parametrize("name", ["pathway.py", "training/loop.py", "modalities/audio/datasets/esc50.py", "methods/lora.py"])
def test_a_changed_file_changes_the_digest(copy, name):
    (copy / name).write_text((copy / name).read_text().replace("1", "2", 1))
    assert source.digest_of(copy) != source.code_sha256()


def test_a_new_file_that_git_does_not_know_changes_the_digest_and_line_ends_do_not(copy):
    (copy / "pathway.py").write_bytes((copy / "pathway.py").read_bytes().replace(b"\n", b"\r\n"))
    (copy / "analysis/study.py").write_text("")
    assert source.digest_of(copy) == source.code_sha256()
    (copy / "methods/novel.py").write_text("")
    assert source.digest_of(copy) != source.code_sha256()


def test_all_that_a_job_may_import_is_in_the_digest():
    """By the import graph, with the rooms of the modalities, which are imported by name."""
    graph = grimp.build_graph("m2pt", exclude_type_checking_imports=True, cache_dir=None)
    starts = {"m2pt.job", *(name for name in graph.modules if name.startswith(("m2pt.modalities", "m2pt.methods")))}
    starts -= {"m2pt.methods.__main__"}
    loaded = starts | {name for start in starts for name in graph.find_upstream_modules(start)}
    left_out = {f"m2pt.{part.removesuffix('.py').replace('/', '.')}" for part in source.APART}
    assert left_out <= graph.modules
    assert {name for name in loaded if any(name == other or name.startswith(f"{other}.") for other in left_out)} == set()


def attempt(**changes):
    return run_records.attempt(**HERE.model_dump() | {"resumed": False, "resumed_from_epoch": 0} | changes)


OTHERS = {
    "code": ({"code_sha256": "1" * 64}, "m2pt's source code 1111111111 (here "),
    "torch": ({"versions": HERE.versions | {"torch": "2.0.0"}}, "torch 2.0.0 (here "),
    "reader": ({"versions": HERE.versions | {"pillow": "9.1"}}, "pillow 9.1 (here "),
    "python": ({"versions": HERE.versions | {"python": "3.99"}}, "Python 3.99 (here "),
    "device": ({"device": "cuda", "device_name": "A card"}, "device cuda (A card) (here cpu (a processor))"),
    "processor": ({"device_name": "another"}, "device cpu (another) (here cpu (a processor))"),
    "capability": ({"cpu_capability": "NONE"}, "CPU capability NONE (here "),
    "CUDA": ({"cuda": "11.0"}, "CUDA 11.0 (here none)"),
    "threads": ({"threads": 8}, "threads 8 (here 1)"),
    "algorithms": ({"deterministic": False}, "algorithms that may differ from run to run (here none)"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_differs_is_named_and_refused(case):
    changes, words = OTHERS[case]
    there, here = attempt(**changes).compared, HERE.compared
    (found,) = environment.differences(there, here)
    assert found.startswith(words)
    with pytest.raises(UserError, match=r"would be compared with them; set execution\.other_environment to redo"):
        environment.require(here, [here, there])


def test_what_tells_of_a_commit_or_the_time_is_no_difference_and_nothing_recorded_is_one():
    here = HERE.compared
    same = attempt(git_commit="a" * 40, started="2026-11-21T12:00:00+00:00", devices=1).compared
    assert environment.differences(same, here) == []
    environment.require(here, [same])
    assert environment.differences(EnvironmentFacts().compared, here) == ["an environment that is not recorded"]
    unnamed = attempt(device_name=None).compared  # who starts a run on a GPU may not know what that calls itself
    assert environment.differences(attempt().compared, unnamed) == []


def test_a_run_comes_from_the_attempts_since_it_last_began_anew():
    first, again, resumed = attempt(threads=1), attempt(threads=2), attempt(threads=3, resumed=True)
    assert contributing([first, again, resumed]) == [again, resumed]
    assert contributing([first, resumed]) == [first, resumed]
    old = run_records.attempt(resumed_from_epoch=3)  # from before it was noted
    assert contributing([first, old]) == [first, old]
    assert contributing([]) == []


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]
    return subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tree/package").mkdir(parents=True)
    (tmp_path / "tree/package/__init__.py").write_text("")
    (tmp_path / "tree/.gitignore").write_text("__pycache__/\nvenv/\n")
    git(tmp_path / "tree", "init", "-q")
    git(tmp_path / "tree", "add", ".")
    git(tmp_path / "tree", "commit", "-qm", "first")
    return tmp_path / "tree"


def test_the_commit_is_marked_where_a_file_is_changed_or_new(checkout):
    package = checkout / "package"
    commit = git(checkout, "rev-parse", "HEAD")
    (package / "__pycache__").mkdir()
    (package / "__pycache__/x.pyc").write_text("")
    assert source.commit_of(package) == commit
    (package / "new.py").write_text("")
    assert source.commit_of(package) == f"{commit}+changes"
    (package / "new.py").unlink()
    (package / "__init__.py").write_text("changed = True")
    assert source.commit_of(package) == f"{commit}+changes"


def test_the_commit_is_never_that_of_another_repository(checkout, tmp_path, monkeypatch):
    """Neither of one whose ignored folder the package is installed in, nor of one that a hook of git tells us of."""
    installed = checkout / "venv/package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert source.commit_of(installed) is None
    assert source.commit_of(tmp_path) is None
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    found = source.commit_of(checkout / "package")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    assert found == git(checkout, "rev-parse", "HEAD")
