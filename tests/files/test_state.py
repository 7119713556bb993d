"""A file's state changes with its content, however it was changed; what is remembered of files is remembered under it."""

import io
import os
import re
import shutil
import tarfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import m2pt.modalities
from m2pt.config import MODALITIES, Modality
from m2pt.data.cache_keys import sources_sha256
from m2pt.files import state as file_state
from m2pt.files.state import FileState, settled, wait_for_clock
from m2pt.modalities.image.decoding.tar_index import index_shard
from m2pt.modalities.point.datasets.partnet import _facts
from m2pt.modalities.registry import SPECS


def times_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_atime_ns, found.st_mtime_ns


def replaced(path: Path, content: bytes) -> None:
    """Another file of the same size and time in its place, as `rsync -t` leaves it."""
    times = times_of(path)
    assert len(content) == path.stat().st_size
    (path.parent / "new").write_bytes(content)
    os.utime(path.parent / "new", ns=times)
    (path.parent / "new").rename(path)


def rewritten(path: Path, content: bytes) -> None:
    """Other content in the same file, with its size and time set back."""
    times = times_of(path)
    assert len(content) == path.stat().st_size
    path.write_bytes(content)
    os.utime(path, ns=times)


def relinked(path: Path, content: bytes) -> None:
    """A link that leads elsewhere now, to a file of the same size and time."""
    times = times_of(path)
    other = path.parent / "other"
    other.write_bytes(content)
    os.utime(other, ns=times)
    path.unlink()
    path.symlink_to(other)


CHANGES = [replaced, rewritten, relinked]


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_keeps_the_state(tmp_path: Path, change) -> None:
    path = tmp_path / "file"
    for _ in range(10):
        path.unlink(missing_ok=True)
        path.write_bytes(b"one")
        before = settled(path)
        change(path, b"two")
        assert settled(path) != before


def shard(label: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("a.cls", b"%d" % label), ("a.jpg", b"picture")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("change", CHANGES)
def test_a_shard_that_was_changed_is_indexed_anew(tmp_path: Path, change) -> None:
    path = tmp_path / "0.tar"
    path.write_bytes(shard(3))
    assert index_shard(path).labels_N.tolist() == [3]
    change(path, shard(7))
    assert index_shard(path).labels_N.tolist() == [7]


def parts(path: Path, label: int) -> bytes:
    with h5py.File(path, "w") as file:
        file["data"], file["label_seg"] = np.zeros((2, 4, 3), np.float32), np.full((2, 4), label, np.uint8)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_parts_that_was_changed_is_counted_anew(tmp_path: Path, change) -> None:
    path = tmp_path / "train-00.h5"
    first, second = parts(path, 4), parts(path, 9)
    path.write_bytes(first)
    assert _facts(path) == (2, 4)
    change(path, second)
    assert _facts(path) == (2, 9)


@pytest.mark.parametrize(
    ("age_s", "whole", "expected"),
    [(0.001, False, 0.02), (-0.005, False, 0.02), (0.5, False, 0.0), (0.5, True, 2.0), (3.0, True, 0.0), (-1.0, True, 2.0)],
)
def test_the_clock_of_a_file_system_is_waited_for(monkeypatch: pytest.MonkeyPatch, age_s: float, whole: bool, expected: float):
    """As coarse as its stamps are: whole seconds where they say no more, and also where a server's clock is ahead of ours."""
    slept: list[float] = []
    now = 1_700_000_000.0
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(file_state.time, "time", lambda: now + age_s)
    wait_for_clock([FileState(1, 1, 1, 0, int(now) * 1_000_000_000 + (0 if whole else 1))])
    assert sum(slept) == pytest.approx(expected)


def test_the_name_of_what_is_remembered_follows_the_code_that_read(tmp_path: Path) -> None:
    for name, text in (("a.py", "x = 1"), ("sub/b.py", "y = 1")):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text(text)

    def digest(home: Path) -> str:
        return sources_sha256(home, home.rglob("*.py"))

    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    (tmp_path / "two/sub/b.py").write_text("y = 2")
    assert digest(tmp_path / "one") != digest(tmp_path / "two")
    (tmp_path / "one/sub/b.py").rename(tmp_path / "one/sub/c.py")
    assert len({digest(tmp_path / name) for name in ("one", "two")}) == 2


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_package_that_decodes_is_in_the_name(modality: Modality) -> None:
    """Whatever of these a modality imports from outside, to read data that it did not make itself."""
    home = Path(m2pt.modalities.__file__).parent
    sources = [path for path in (home / modality).rglob("*.py") if path.name != "embedded.py"]
    text = "\n".join(path.read_text() for path in sources)
    distributions = {"PIL": "pillow", "kaldi_native_fbank": "kaldi-native-fbank"}
    modules = ("av", "PIL", "soundfile", "h5py", "scipy", "numpy", "kaldi_native_fbank", "cv2", "torchaudio")
    imported = {
        distributions.get(name, name) for name in modules if re.search(rf"^\s*(import|from) {name}\b", text, re.MULTILINE)
    }
    assert imported == set(SPECS[modality].decoders)
