"""What was read from many files is read again only where a file changed, and never told of one that did."""

import json
import os
import time
from pathlib import Path

import pytest

from m2pt.files import parsed as module
from m2pt.files.parsed import parsed

OLD_S = 60


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three files that changed long ago, as far as the code can know."""
    paths = [tmp_path / f"{name}.json" for name in "abc"]
    for path in paths:
        path.write_text(json.dumps({"name": path.stem}))
    later = time.time_ns() + OLD_S * 10**9
    monkeypatch.setattr(module.time, "time_ns", lambda: later)
    return [str(path) for path in paths]


class Reader:
    def __init__(self):
        self.read = []

    def __call__(self, path):
        self.read.append(path.stem)
        return json.loads(path.read_text())["name"]


def test_each_file_is_read_once(files, tmp_path):
    first, second = Reader(), Reader()
    made = parsed(tmp_path / "memory", 1, files, first)
    assert made == dict(zip(files, "abc", strict=True)) and first.read == ["a", "b", "c"]
    assert parsed(tmp_path / "memory", 1, files, second) == made and second.read == []


def test_a_file_that_changed_is_read_again_whatever_its_size_and_time_say(files, tmp_path):
    parsed(tmp_path / "memory", 1, files, Reader())
    state = Path(files[1]).stat()
    Path(files[1]).write_text(json.dumps({"name": "x"}))
    os.utime(files[1], ns=(state.st_atime_ns, state.st_mtime_ns))
    reader = Reader()
    assert parsed(tmp_path / "memory", 1, files, reader)[files[1]] == "x" and reader.read == ["b"]


def test_a_file_that_changed_just_now_is_not_remembered(files, tmp_path, monkeypatch):
    monkeypatch.setattr(module.time, "time_ns", lambda: Path(files[2]).stat().st_ctime_ns + 1000)
    parsed(tmp_path / "memory", 1, files, Reader())
    reader = Reader()
    parsed(tmp_path / "memory", 1, files, reader)
    assert reader.read == ["a", "b", "c"]


def test_a_file_that_is_gone_is_not_told_of(files, tmp_path):
    parsed(tmp_path / "memory", 1, files, Reader())
    Path(files[0]).unlink()
    assert parsed(tmp_path / "memory", 1, files, Reader()) == {files[1]: "b", files[2]: "c"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"form": 1, "values": [], "files": {"a": [[1], 0]}}', '{"form": 1, "values": 3}']
)
def test_a_damaged_memory_is_none_and_so_is_one_of_another_form(files, tmp_path, content):
    whole = parsed(tmp_path / "memory", 1, files, Reader())
    (tmp_path / "memory").write_text(content)
    assert parsed(tmp_path / "memory", 1, files, Reader()) == whole
    reader = Reader()
    assert parsed(tmp_path / "memory", 2, files, reader) == whole and reader.read == ["a", "b", "c"]


def test_a_fault_is_raised_each_time(files, tmp_path):
    parsed(tmp_path / "memory", 1, files, Reader())
    Path(files[1]).write_text("{")
    for _ in range(2):
        with pytest.raises(ValueError, match="Expecting"):
            parsed(tmp_path / "memory", 1, files, Reader())


def test_a_file_whose_folder_is_a_file_does_not_exist(files, tmp_path):
    assert parsed(tmp_path / "memory", 1, [f"{files[0]}/local/execution.json", files[1]], Reader()) == {files[1]: "b"}


def test_a_memory_that_is_nested_without_end_is_none(files, tmp_path):
    (tmp_path / "memory").write_text("[" * 100_000)
    assert list(parsed(tmp_path / "memory", 1, files, Reader()).values()) == ["a", "b", "c"]
