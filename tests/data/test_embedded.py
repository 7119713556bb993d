"""Embedded data stand whole or not at all, and are made only where they do not."""

import os
import shutil
import time

import pytest

from m2pt.config import MODALITIES, EmbeddedData, UserError
from m2pt.data.embedded import write_embedded
from m2pt.data.fingerprints import fingerprint
from m2pt.modalities.point import embedded as point
from pipelines.planning.embedded_data import unmade

SIZES = EmbeddedData(pretrain=10, train=10, val=10, test=10)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole") / "data"
    assert write_embedded(root, SIZES, root.parent / "cache") is True
    return root


@pytest.fixture
def place(whole, tmp_path):
    """A whole root of its own for the test, and its cache."""
    return shutil.copytree(whole, tmp_path / "data"), tmp_path / "cache"


def prints(root, cache):
    return {modality: fingerprint(root / modality, cache) for modality in MODALITIES}


def test_a_second_call_changes_nothing_and_says_so(place):
    root, cache = place
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*")}
    assert write_embedded(root, SIZES, cache) is False
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*")} == before


@pytest.mark.parametrize("damage", ["change", "remove", "add", "remove_folder", "manifest"])
def test_damaged_data_are_made_anew_and_the_others_left_alone(place, damage):
    root, cache = place
    good = prints(root, cache)
    untouched = (root / "image" / "SOURCE.txt").stat().st_ino
    victim = root / "point" / "ply_data_val0.h5"
    match damage:
        case "change":
            state = victim.stat()
            content = bytearray(victim.read_bytes())
            content[-1] ^= 1
            victim.write_bytes(content)
            os.utime(victim, ns=(state.st_atime_ns, state.st_mtime_ns))
        case "remove":
            victim.unlink()
        case "add":
            (root / "point" / "more.txt").write_text("more")
        case "remove_folder":
            shutil.rmtree(root / "point")
        case "manifest":
            (root / "embedded.json").write_text("{")
    assert write_embedded(root, SIZES, cache) is True
    assert prints(root, cache) == good
    if damage != "manifest":
        assert (root / "image" / "SOURCE.txt").stat().st_ino == untouched
    assert write_embedded(root, SIZES, cache) is False


def test_other_sizes_are_made_anew(place):
    root, cache = place
    good = prints(root, cache)
    assert write_embedded(root, SIZES.model_copy(update={"train": 11}), cache) is True
    assert all(prints(root, cache)[modality] != good[modality] for modality in MODALITIES)


def test_another_version_of_a_generator_makes_its_data_anew(place, monkeypatch):
    root, cache = place
    monkeypatch.setattr(point, "VERSION", point.VERSION + 1)
    before = (root / "point" / "SOURCE.txt").stat().st_ino, (root / "image" / "SOURCE.txt").stat().st_ino
    assert write_embedded(root, SIZES, cache) is True
    after = (root / "point" / "SOURCE.txt").stat().st_ino, (root / "image" / "SOURCE.txt").stat().st_ino
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_an_interrupted_generation_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, whole):
    def interrupted(folder, sizes):
        folder.mkdir(parents=True)
        (folder / "train_files.txt").write_text("ply_data_train0.h5\n")
        raise KeyboardInterrupt

    root, cache = tmp_path / "data", tmp_path / "cache"
    with monkeypatch.context() as patch:
        patch.setattr(point, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_embedded(root, SIZES, cache)
    assert not (root / "point").exists()
    assert unmade(root) is None  # the next start goes on, and does not take the folder for somebody else's
    (root / ".making-killed" / "point").mkdir(parents=True)  # what a killed process leaves
    assert write_embedded(root, SIZES, cache) is True
    assert prints(root, cache) == prints(whole, cache)
    assert not list(root.glob(".*"))


@pytest.mark.parametrize("left", [[], [".embedded.json.k2x_90ab"]])
def test_wherever_the_making_was_killed_the_folder_is_ours(tmp_path, left):
    (tmp_path / "data").mkdir()
    for name in left:
        (tmp_path / "data" / name).write_text("{")
    assert unmade(tmp_path / "data") is None
    (tmp_path / "data" / "mine.txt").write_text("")
    assert unmade(tmp_path / "data") == (
        f"{tmp_path}/data: was not made by m2pt; delete it, or choose another folder for the embedded data (data.root)."
    )


def test_nothing_in_the_files_depends_on_when_they_were_made(whole, tmp_path):
    time.sleep(1.1)
    write_embedded(tmp_path / "data", SIZES, tmp_path / "cache")
    assert prints(tmp_path / "data", tmp_path / "cache") == prints(whole, tmp_path / "cache")


def test_a_full_disk_is_told_in_one_sentence(tmp_path, monkeypatch):
    def full(folder, sizes):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(point, "write", full)
    with pytest.raises(UserError, match=r"data/point: cannot be written \(No space left on device\); free space"):
        write_embedded(tmp_path / "data", SIZES, tmp_path / "cache")
