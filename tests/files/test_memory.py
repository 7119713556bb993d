"""What was computed from a file is remembered until that file changes in any way."""

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from m2pt.files.documents import recalled_json, remember_json
from m2pt.files.memory import known_sha256


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_text("content 1")
    return path


def memory_of(cache):
    (memory,) = (cache / "files").iterdir()
    return memory


def expected(text):
    return sha256(text.encode()).hexdigest()


def rewrite(path, text):
    """Other content, with the size and times of the former one."""
    state = path.stat()
    path.write_text(text)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_a_file_is_read_once(file, tmp_path, monkeypatch):
    assert known_sha256(file, tmp_path / "cache") == expected("content 1")
    monkeypatch.setattr("m2pt.files.memory.file_sha256", lambda path: pytest.fail("it was read again"))
    assert known_sha256(file, tmp_path / "cache") == expected("content 1")


@pytest.mark.parametrize("change", [lambda path, text: path.write_text(text), rewrite], ids=["new times", "size and time kept"])
def test_every_change_is_seen_also_right_after(file, tmp_path, change):
    for number in range(2, 12):
        known_sha256(file, tmp_path / "cache")
        change(file, f"content {number % 10}")
        assert known_sha256(file, tmp_path / "cache") == expected(f"content {number % 10}")


def test_another_file_in_its_place_is_seen(file, tmp_path):
    known_sha256(file, tmp_path / "cache")
    state = file.stat()
    other = tmp_path / "other"
    other.write_text("CONTENT 1")
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(file)
    assert known_sha256(file, tmp_path / "cache") == expected("CONTENT 1")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"state": 1}', '{"value": "f00"}', "\udcff"])
def test_a_damaged_memory_is_none(file, tmp_path, content):
    known_sha256(file, tmp_path / "cache")
    memory_of(tmp_path / "cache").write_bytes(content.encode(errors="surrogateescape"))
    assert known_sha256(file, tmp_path / "cache") == expected("content 1")


def test_no_bit_of_a_memory_changes_a_result(file, tmp_path):
    known_sha256(file, tmp_path / "cache")
    memory = memory_of(tmp_path / "cache")
    content = memory.read_bytes()
    for place in range(len(content)):
        memory.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert known_sha256(file, tmp_path / "cache") == expected("content 1")


def test_a_memory_that_is_wrong_is_noticed_and_mended_afresh(file, tmp_path):
    cache = tmp_path / "cache"
    known_sha256(file, cache)
    memory = memory_of(cache)
    remember_json(memory, recalled_json(memory) | {"value": "f" * 64})
    assert known_sha256(file, cache) == "f" * 64  # as if the content had changed without a sign
    assert known_sha256(file, cache, afresh=True) == expected("content 1")
    assert known_sha256(file, cache) == expected("content 1")


def test_where_nothing_can_be_written_nothing_is_remembered(file, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder has to be")
    assert known_sha256(file, tmp_path / "cache") == expected("content 1")


def test_many_at_once_agree(file, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: known_sha256(file, tmp_path / "cache"), range(32))) == {expected("content 1")}
    assert [path.name for path in (tmp_path / "cache" / "files").iterdir()] == [memory_of(tmp_path / "cache").name]
