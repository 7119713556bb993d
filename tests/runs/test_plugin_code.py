"""Which files of a plugin its code is: all that could change a number, and nothing that Python makes of them."""

import sys
import zipfile
from pathlib import Path

import pytest

from m2pt.config import UserError
from m2pt.config.entry_points import Plugin
from m2pt.runs.plugins import code_of

PLUGIN = Plugin("m2pt.methods", "mine", "a_plugin_of_mine.method:METHOD", "mine", "1.0")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a_plugin_of_mine"
    folder.mkdir()
    for name in ("__init__.py", "method.py", "table.csv"):
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_plugin_of_mine", raising=False)
    return folder


def digest() -> str:
    code_of.cache_clear()
    return code_of(PLUGIN).sha256


@pytest.mark.parametrize("name", ["method.py", "table.csv", "deep/new.so"])
def test_a_changed_or_new_file_is_other_code(package: Path, name: str) -> None:
    before = digest()
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("other")
    assert digest() != before


@pytest.mark.parametrize(
    "name", ["__pycache__/method.cpython-311.pyc", "__pycache__/method.f-3.py311.nbi", "deep/__pycache__/a.nbc"]
)
def test_what_python_and_compilers_keep_of_them_is_no_code(package: Path, name: str) -> None:
    before = digest()
    (package / name).parent.mkdir(parents=True)
    (package / name).write_text("made")
    assert digest() == before


def test_code_in_an_archive_is_refused_as_its_changes_would_go_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a_plugin_of_mine/__init__.py", "")
        file.writestr("a_plugin_of_mine/method.py", "METHOD = 1")
    monkeypatch.syspath_prepend(archive)
    monkeypatch.delitem(sys.modules, "a_plugin_of_mine", raising=False)
    code_of.cache_clear()
    with pytest.raises(
        UserError, match=r"^the plugin mine 1\.0 is imported from .*mine\.zip/a_plugin_of_mine/__init__\.py, which is "
    ):
        code_of(PLUGIN)
