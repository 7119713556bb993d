"""Data are decoded once, and what comes out of the cache is what the reader gave, or is made again."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import MODALITIES, EmbeddedData, ImageInput, InputsConfig, UserError
from m2pt.data.decoded import load
from m2pt.data.embedded import write_embedded
from m2pt.data.fingerprints import fingerprint
from m2pt.modalities.image import small as image
from m2pt.modalities.shared.listed import SPLITS

CONFIG = ImageInput(size=4, patch=2)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "image" / "val" / name).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "image" / "val" / name / f"{index}.png")
    return tmp_path / "image"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def same(one, other):
    return (
        one.classes == other.classes
        and one.x.dtype == other.x.dtype
        and one.y.dtype == other.y.dtype
        and torch.equal(one.x, other.x)
        and torch.equal(one.y, other.y)
    )


def stored(cache: Path) -> Path:
    (path,) = cache.glob("image-*/val.safetensors")
    return path


def test_embedded_data_are_the_same_decoded_and_cached_in_every_modality(tmp_path):
    root, cache = tmp_path / "data", tmp_path / "cache"
    write_embedded(root, EmbeddedData(pretrain=10, train=20, val=10, test=10), cache)
    inputs = InputsConfig()
    shapes = {"image": (1, 16, 16), "audio": (1, 32, 32), "point": (192, 3), "video": (1, 8, 16, 16)}
    for modality in MODALITIES:
        config = getattr(inputs, modality)
        sha = fingerprint(root / modality, cache)
        first = {split: load(modality, root / modality, split, config, sha, cache) for split in SPLITS}
        shutil.rmtree(root / modality)  # what is decoded needs no data any more
        for split in SPLITS:
            again = load(modality, root / modality, split, config, sha, cache)
            assert same(first[split], again)
            assert again.x.shape == ({"train": 20}.get(split, 10), *shapes[modality])
            assert again.x.dtype == torch.float32
            assert again.y.dtype == torch.int64
            assert torch.isfinite(again.x).all()
            if modality in ("image", "video"):
                assert 0 <= again.x.min() < again.x.max() <= 1
            if modality == "point":
                assert torch.allclose(again.x.norm(dim=2).amax(dim=1), torch.ones(len(again.y)))


def test_another_form_of_input_is_decoded_anew(folder, cache):
    sha = fingerprint(folder, cache)
    assert load("image", folder, "val", CONFIG, sha, cache).x.shape == (6, 1, 4, 4)
    assert load("image", folder, "val", ImageInput(size=8, patch=2), sha, cache).x.shape == (6, 1, 8, 8)
    assert load("image", folder, "val", CONFIG, sha, cache).x.shape == (6, 1, 4, 4)


def test_changed_data_are_decoded_anew_under_their_own_fingerprint_and_refused_under_the_old(folder, cache):
    old = fingerprint(folder, cache)
    before = load("image", folder, "val", CONFIG, old, cache)
    path = folder / "val" / "a" / "0.png"
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(path)
    after = load("image", folder, "val", CONFIG, fingerprint(folder, cache), cache)
    assert after.x[0].max() == 0
    assert torch.equal(before.x[1:], after.x[1:])
    assert same(load("image", folder, "val", CONFIG, old, cache), before)  # still there, still right
    shutil.rmtree(cache)
    with pytest.raises(UserError, match="image: the data changed since the run was planned"):
        load("image", folder, "val", CONFIG, old, cache)


def test_a_truncated_or_damaged_cache_is_rebuilt(folder, cache):
    sha = fingerprint(folder, cache)
    first = load("image", folder, "val", CONFIG, sha, cache)
    path = stored(cache)
    whole = path.read_bytes()
    for length in [0, 4, 8, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert same(load("image", folder, "val", CONFIG, sha, cache), first)
        assert path.stat().st_size == len(whole)
    for position in range(8, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        path.write_bytes(damaged)
        assert same(load("image", folder, "val", CONFIG, sha, cache), first)


def test_the_cache_of_another_split_or_data_set_is_not_taken_for_this_one(folder, cache):
    sha = fingerprint(folder, cache)
    first = load("image", folder, "val", CONFIG, sha, cache)
    whole = stored(cache).read_bytes()
    shutil.copytree(folder / "val", folder / "train")
    (folder / "train" / "a" / "0.png").unlink()
    sha = fingerprint(folder, cache)
    train = load("image", folder, "train", CONFIG, sha, cache)
    (path,) = cache.glob("image-*/train.safetensors")
    for name in ("train", "val"):
        (path.parent / f"{name}.safetensors").write_bytes(whole)
    assert same(load("image", folder, "val", CONFIG, sha, cache), first)
    assert len(train.y) == 5 and same(load("image", folder, "train", CONFIG, sha, cache), train)


def test_many_at_once_decode_once(folder, cache, tmp_path, monkeypatch):
    sha = fingerprint(folder, cache)
    read, log = image.read, tmp_path / "log"

    def logged(*arguments):
        with log.open("a") as file:
            file.write("decoded\n")
        return read(*arguments)

    monkeypatch.setattr(image, "read", logged)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: load("image", folder, "val", CONFIG, sha, cache), range(4)))
    assert all(same(result, results[0]) for result in results)
    assert log.read_text() == "decoded\n"


def test_a_faulty_file_leaves_no_cache_and_is_read_once_it_is_mended(folder, cache):
    path = folder / "val" / "a" / "0.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(UserError, match=r"0\.png: is not a complete image"):
        load("image", folder, "val", CONFIG, fingerprint(folder, cache), cache)
    assert not list(cache.glob("image-*/*.safetensors"))
    path.write_bytes(whole)
    assert len(load("image", folder, "val", CONFIG, fingerprint(folder, cache), cache).y) == 6


def test_a_cache_that_cannot_be_written_is_named(folder, tmp_path):
    sha = fingerprint(folder, tmp_path / "cache")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match=r"file/image-.*: the lock cannot be written"):
        load("image", folder, "val", CONFIG, sha, tmp_path / "file")
