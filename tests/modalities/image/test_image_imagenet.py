"""ImageNet's class folders: what is listed, what is read, and what is said of a folder that is not as it should be."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import UserError
from m2pt.modalities.registry import dataset as declared

CLASSES = ("n01440764", "n01443537", "n02102040")
read = declared("imagenet").open


@pytest.fixture
def folder(tmp_path, photo):
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(reversed(CLASSES)):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                photo(100 * label + number).save(tmp_path / split / name / f"{name}_{number}.JPEG", quality=95)
    return tmp_path


def test_splits_classes_labels_and_names(folder, wanted):
    train, test = read(folder, "train", wanted), read(folder, "test", wanted)
    assert read(folder, "val", wanted) is None
    assert (len(train), len(test)) == (9, 6)
    assert train.classes == test.classes == CLASSES
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert train.labels.dtype == torch.int64
    assert train.name(4) == str(folder / "train" / "n01443537" / "n01443537_1.JPEG")
    assert test.name(5) == str(folder / "val" / "n02102040" / "n02102040_1.JPEG")


def test_a_tested_picture_is_the_centre_of_the_resized_one(folder, wanted):
    items = read(folder, "test", wanted)
    item = items.test(2)
    assert item["x"].shape == (1, 3, 32, 32)
    assert item["x"].dtype == torch.float32
    assert item["y"].tolist() == 1
    with Image.open(items.name(2)) as picture:  # 60 × 40: the shorter side becomes 32 · 256 / 224 = 36, the longer 54
        small = picture.resize((54, 36), Image.Resampling.BICUBIC).crop((11, 2, 43, 34))
    expected = np.asarray(small).transpose(2, 0, 1).astype(np.float32) / 255
    np.testing.assert_allclose(item["x"][0].numpy(), expected, atol=1e-6)


def test_a_training_picture_follows_from_its_seed_alone(folder, wanted):
    items = read(folder, "train", wanted)
    first = items.train(1, 7)
    torch.manual_seed(0)
    again = pickle.loads(pickle.dumps(items)).train(1, 7)
    assert torch.equal(first["x"], again["x"])
    assert first["x"].shape == (3, 32, 32)
    assert first["y"].tolist() == 0
    assert not torch.equal(first["x"], items.train(1, 8)["x"])


def test_reading_leaves_the_global_generators_alone(folder, wanted):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    read(folder, "train", wanted).train(0, 1)
    assert torch.equal(torch.rand(4), expected)


def test_without_augmentation_a_training_picture_is_prepared_as_for_the_test(folder, plain):
    items = read(folder, "train", plain)
    assert torch.equal(items.train(3, 5)["x"], items.test(3)["x"][0])


def test_any_colour_and_format_becomes_rgb(folder, plain, photo):
    home = folder / "val" / CLASSES[0]
    photo(1).convert("L").save(home / f"{CLASSES[0]}_0.JPEG")
    photo(1).convert("CMYK").save(home / f"{CLASSES[0]}_1.JPEG")
    photo(1).save(home / "n.JPEG", format="PNG")  # ImageNet has one of these
    items = read(folder, "test", plain)
    png, grey, cmyk = (items.test(index)["x"] for index in range(3))
    assert torch.equal(grey[0, 0], grey[0, 2])
    assert (cmyk - png).abs().mean() < 0.05


def test_damaged_files_are_named_when_they_are_read(folder, wanted, cut):
    items = read(folder, "train", wanted)
    cut(folder / "train" / CLASSES[0] / f"{CLASSES[0]}_1.JPEG")
    (folder / "train" / CLASSES[1] / f"{CLASSES[1]}_0.JPEG").write_bytes(b"")
    (folder / "train" / CLASSES[2] / f"{CLASSES[2]}_2.JPEG").unlink()
    for index, fault in ((1, r"n01440764_1\.JPEG: is not a complete image"), (3, r"n01443537_0\.JPEG: is not a complete image")):
        with pytest.raises(UserError, match=fault):
            items.train(index, 0)
        with pytest.raises(UserError, match=fault):
            items.test(index)
    with pytest.raises(UserError, match=r"n02102040_2\.JPEG: cannot be read"):
        items.train(8, 0)
    assert items.train(0, 0)["x"].shape == (3, 32, 32)


def test_what_is_missing_or_astray_is_named(folder, wanted):
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(folder / "nowhere", "train", wanted)
    (folder / "val" / "flat.JPEG").write_bytes(b"x")
    with pytest.raises(UserError, match=r"val/flat\.JPEG: is next to the class folders; sort the pictures into"):
        read(folder, "test", wanted)
    (folder / "val" / "flat.JPEG").rename(folder / "val" / CLASSES[0] / "notes.txt")
    with pytest.raises(UserError, match=r"notes\.txt: is not an image"):
        read(folder, "test", wanted)
    (folder / "val" / CLASSES[0] / "notes.txt").rename(folder / "val" / CLASSES[0] / ".notes.txt")
    assert len(read(folder, "test", wanted)) == 6
    (folder / "val" / CLASSES[1]).rename(folder / "val" / "tench")
    with pytest.raises(UserError, match=r"class folder 'n01443537' is in train/ but not in val/"):
        read(folder, "test", wanted)
    (folder / "train" / "empty").mkdir()
    with pytest.raises(UserError, match="train: has no picture of class 'empty'"):
        read(folder, "train", wanted)
    with pytest.raises(UserError, match="val: the split is missing"):
        (folder / "val").rename(folder / "validation")
        read(folder, "test", wanted)


def test_another_goal_is_refused(folder, wanted):
    other = type(wanted)(wanted.input, wanted.augment, wanted.test, "semantic_segmentation")
    with pytest.raises(UserError, match="'imagenet' serves the goal classification, not semantic_segmentation"):
        read(folder, "train", other)
