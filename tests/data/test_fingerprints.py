"""A fingerprint changes with every file of a folder, and reads no content the second time."""

import hashlib
import os

import pytest

from m2pt.config import UserError
from m2pt.data import fingerprints
from m2pt.data.fingerprints import fingerprint


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "b.txt").write_text("content of b")
    (tmp_path / "data" / "sub" / "a.txt").write_text("content of a")
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def rewrite(path, text):
    """Other content of the same length at the same times, as a careless copy leaves it."""
    state = path.stat()
    assert len(text) == state.st_size
    path.write_text(text)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES = {
    "changed": lambda folder: (folder / "b.txt").write_text("more content of b"),
    "changed at the same size and time": lambda folder: rewrite(folder / "b.txt", "CONTENT OF B"),
    "swapped": lambda folder: (rewrite(folder / "b.txt", "content of a"), rewrite(folder / "sub" / "a.txt", "content of b")),
    "added": lambda folder: (folder / "sub" / "new").write_text(""),
    "removed": lambda folder: (folder / "b.txt").unlink(),
    "renamed": lambda folder: (folder / "b.txt").rename(folder / "c.txt"),
    "moved": lambda folder: (folder / "b.txt").rename(folder / "sub" / "b.txt"),
    "folder renamed": lambda folder: (folder / "sub").rename(folder / "bus"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("known", [True, False], ids=["remembered", "not remembered"])
def test_every_change_is_seen(folder, cache, change, known):
    before = fingerprint(folder, cache)
    CHANGES[change](folder)
    if not known:
        (next((cache / "fingerprints").iterdir())).unlink()
    assert fingerprint(folder, cache) != before


def test_a_change_right_after_is_seen(folder, cache):
    for index in range(20):
        (folder / "b.txt").write_text(f"content {index:04}")
        first = fingerprint(folder, cache)
        rewrite(folder / "b.txt", f"CONTENT {index:04}")
        assert fingerprint(folder, cache) != first


def test_it_depends_on_names_and_contents_alone(folder, cache, tmp_path):
    expected = hashlib.sha256()
    for name, text in (("b.txt", "content of b"), ("sub/a.txt", "content of a")):
        expected.update(name.encode() + b"\0" + hashlib.sha256(text.encode()).digest())
    assert fingerprint(folder, cache) == expected.hexdigest()
    os.utime(folder / "b.txt", (1, 1))
    assert fingerprint(folder, cache) == expected.hexdigest()
    folder.rename(tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere", cache) == expected.hexdigest()
    assert not list((tmp_path / "elsewhere").glob(".*"))


def test_dotfiles_do_not_count(folder, cache):
    before = fingerprint(folder, cache)
    (folder / ".gitignore").write_text("x")
    (folder / "sub" / ".hidden").mkdir()
    (folder / "sub" / ".hidden" / "file").write_text("x")
    assert fingerprint(folder, cache) == before


def test_links_are_followed(folder, cache, tmp_path):
    plain = fingerprint(folder, cache)
    (folder / "sub").rename(tmp_path / "sub")
    (folder / "sub").symlink_to(tmp_path / "sub")
    assert fingerprint(folder, cache) == plain
    (tmp_path / "sub" / "a.txt").write_text("other")
    assert fingerprint(folder, cache) != plain


def test_the_second_time_reads_no_content(folder, cache, monkeypatch):
    first = fingerprint(folder, cache)

    def unreadable(path):
        raise OSError("content was read")

    monkeypatch.setattr(fingerprints, "file_sha256", unreadable)
    assert fingerprint(folder, cache) == first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": 1}'])
def test_a_damaged_memory_is_made_anew(folder, cache, content):
    first = fingerprint(folder, cache)
    (memory,) = (cache / "fingerprints").iterdir()
    memory.write_text(content)
    assert fingerprint(folder, cache) == first


def test_faults_are_named(folder, cache, tmp_path):
    with pytest.raises(UserError, match="nothing: the data folder is missing"):
        fingerprint(tmp_path / "nothing", cache)
    with pytest.raises(UserError, match=r"b\.txt: is a file where a folder of data is expected"):
        fingerprint(folder / "b.txt", cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: the data folder is empty"):
        fingerprint(tmp_path / "empty", cache)
    (folder / "circle").symlink_to(folder)
    with pytest.raises(UserError, match="circle: the folder appears twice"):
        fingerprint(folder, cache)
    (folder / "circle").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError, match="pipe: is neither a file nor a folder"):
        fingerprint(folder, cache)


@pytest.mark.parametrize("target", ["nowhere", "annexed"], ids=["to nothing", "in a circle"])
def test_a_link_to_nothing_counts_by_its_name(folder, cache, tmp_path, target):
    """Content that was not fetched yet (git-annex, DVC) is absent, and another state of the data than content or no entry."""
    plain = fingerprint(folder, cache)
    (folder / "annexed").symlink_to(folder / target)
    absent = fingerprint(folder, cache)
    assert absent != plain and fingerprint(folder, tmp_path / "other cache") == absent
    (folder / "annexed").unlink()
    (folder / "annexed").write_text("")
    assert len({plain, absent, fingerprint(folder, cache)}) == 3
