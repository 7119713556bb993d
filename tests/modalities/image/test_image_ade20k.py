"""ADE20K: pictures and annotations stay together through every change, and faults of the folder are told."""

import pickle
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import ImageAugment, ImageInput, TestConfig, UserError
from m2pt.modalities.image.transforms.scenes import SceneAugment, choose_crop, distort, resized, resized_labels
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted

INPUT = ImageInput(form="published", size=32, channels=3, patch=8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
AUGMENT = ImageAugment(scene_scale=(0.5, 2.0), color_jitter=0.5)
WANTED = Wanted(INPUT, AUGMENT, TestConfig(stride=20), "semantic_segmentation")
PLAIN = Wanted(INPUT, None, TestConfig(stride=20), "semantic_segmentation")
read = declared("ade20k").open


def scene(seed, wide=90, high=60):
    """Three upright bands: black (other), mid grey (class 1), white (class 150)."""
    edges = np.sort(np.random.default_rng(seed).integers(10, wide - 10, 2))
    plan = np.zeros((high, wide), dtype=np.uint8)
    plan[:, edges[0] :], plan[:, edges[1] :] = 1, 150
    return plan, np.choose(np.searchsorted([0, 1, 150], plan), [0, 128, 255]).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for split, count in (("training", 3), ("validation", 2)):
        for kind in ("images", "annotations"):
            (tmp_path / kind / split).mkdir(parents=True)
        for number in range(count):
            plan, picture = scene(number)
            stem = f"ADE_{split[:5]}_{number:08d}"
            Image.fromarray(picture).convert("RGB").save(tmp_path / "images" / split / f"{stem}.jpg", quality=100)
            Image.fromarray(plan).save(tmp_path / "annotations" / split / f"{stem}.png")
    rows = [f"{number}\t0.1\t10\t1\tthing {number}" for number in range(1, 151)]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]) + "\n")
    return tmp_path


def test_splits_and_names(folder):
    train, test = read(folder, "train", WANTED), read(folder, "test", WANTED)
    assert read(folder, "val", WANTED) is None
    assert (len(train), len(test)) == (3, 2)
    assert train.labels is None
    assert len(test.classes) == 150
    assert test.classes[0] == "thing 1"
    assert test.name(1) == str(folder / "images" / "validation" / "ADE_valid_00000001.jpg")
    (folder / "objectInfo150.txt").unlink()
    assert read(folder, "test", WANTED).classes[149] == "150"


def test_a_tested_scene_is_whole_and_its_label_in_the_size_of_its_file(folder):
    item = read(folder, "test", WANTED).test(0)
    assert item["x"].shape == (1, 3, 32, 48)
    assert item["y"].shape == (60, 90)
    assert item["y"].dtype == torch.int64
    assert torch.equal(item["y"], torch.from_numpy(scene(0)[0].astype(np.int64)) - 1)
    assert set(item["y"].unique().tolist()) == {-1, 0, 149}


def test_pixels_and_labels_are_changed_alike(folder):
    """The labels of a scene in black, grey and white can be told by its pixels, before and after."""
    wanted = Wanted(INPUT, ImageAugment(scene_scale=(0.5, 2.0)), TestConfig(), "semantic_segmentation")
    items = read(folder, "train", wanted)
    padded = 0
    for seed in range(30):
        item = items.train(seed % 3, seed)
        assert item["x"].shape == (3, 32, 32)
        assert item["y"].shape == (32, 32)
        told = torch.bucketize(item["x"].mean(dim=0), torch.tensor([0.25, 0.75]))
        labels = torch.tensor([-1, 0, 149])[told]
        inside = (item["x"] - torch.tensor(INPUT.mean).view(3, 1, 1)).abs().amax(dim=0) > 1e-6
        assert (item["y"][~inside] == -1).all()
        padded += int((~inside).sum())
        # But for the edges: the nearest label and the mean of pixels lie half a pixel apart.
        assert (labels == item["y"])[inside].float().mean() > 0.88
    assert padded > 0


def test_seeds_give_equal_samples(folder):
    items = read(folder, "train", WANTED)
    copy = pickle.loads(pickle.dumps(items))
    for seed in range(4):
        one, other = items.train(0, seed), copy.train(0, seed)
        assert torch.equal(one["x"], other["x"])
        assert torch.equal(one["y"], other["y"])
    assert not torch.equal(items.train(0, 0)["x"], items.train(0, 1)["x"])
    assert items.train(0, 0)["x"].min() >= 0
    assert items.train(0, 0)["x"].max() <= 1


def test_without_augmentation_the_middle_is_taken(folder):
    items = read(folder, "train", PLAIN)
    item, whole = items.train(0, 0), items.test(0)
    assert torch.equal(item["x"], whole["x"][0, :, :, 8:40])
    assert item["y"].shape == (32, 32)
    rows, columns = np.floor(np.arange(32) * (60 / 32)).astype(int), np.floor(np.arange(48) * (90 / 48)).astype(int)
    small = scene(0)[0].astype(np.int64)[rows[:, None], columns][:, 8:40] - 1
    assert torch.equal(item["y"], torch.from_numpy(small))


def linear(values, axis, count):
    """OpenCV's INTER_LINEAR along one axis: pixel centres in place, edges continued, no smoothing before."""
    place = np.clip((np.arange(count) + 0.5) * (values.shape[axis] / count) - 0.5, 0, values.shape[axis] - 1)
    low = np.minimum(place.astype(int), values.shape[axis] - 2)
    shape = [count if axis == other else 1 for other in range(values.ndim)]
    part = (place - low).reshape(shape)
    return np.take(values, low, axis) * (1 - part) + np.take(values, low + 1, axis) * part


@pytest.mark.parametrize("ratio", [0.5, 0.73, 1.0, 1.9, 2.0])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (40, 400), (61, 73)])
def test_scenes_are_resized_as_mmsegmentation_does(ratio, shape):
    """Its `RandomResize`: (2048, 512) times a ratio as whole numbers, both sides within it, then OpenCV's bilinear on bytes."""
    rng = np.random.default_rng(0)
    bytes_HWC = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    longest, shortest = int(4 * 32 * ratio), int(32 * ratio)
    factor = min(longest / max(shape), shortest / min(shape))
    high, wide = (int(side * factor + 0.5) for side in shape)
    exact = linear(linear(bytes_HWC.astype(np.float64), 0, high), 1, wide)
    ours = resized(Image.fromarray(bytes_HWC), shortest, 3, longest).permute(1, 2, 0).numpy() * 255
    assert ours.shape == exact.shape
    assert np.abs(ours - exact).max() < 0.51 and np.abs(ours - np.round(ours)).max() < 1e-4
    labels_HW = rng.integers(-1, 150, shape)
    rows, columns = (
        np.floor(np.arange(high) * (shape[0] / high)).astype(int),
        np.floor(np.arange(wide) * (shape[1] / wide)).astype(int),
    )
    nearest = labels_HW[np.minimum(rows, shape[0] - 1)[:, None], np.minimum(columns, shape[1] - 1)]
    assert (resized_labels(labels_HW, high, wide).numpy() == nearest).mean() > 0.999


def test_a_very_long_scene_is_limited(folder):
    plan, picture = scene(0, wide=400, high=40)
    Image.fromarray(picture).convert("RGB").save(folder / "images" / "validation" / "ADE_valid_00000000.jpg")
    Image.fromarray(plan).save(folder / "annotations" / "validation" / "ADE_valid_00000000.png")
    assert read(folder, "test", PLAIN).test(0)["x"].shape == (1, 3, 13, 128)  # 4 · 32 wide
    assert read(folder, "test", PLAIN).train(0, 0)["x"].shape == (3, 32, 32)


def test_crops_avoid_a_single_class():
    y_HW = torch.zeros(32, 256, dtype=torch.int64)
    y_HW[:, 120:136] = 1
    lefts = [choose_crop(y_HW, 32, torch.Generator().manual_seed(seed))[1] for seed in range(60)]
    both = sum(len(y_HW[:, left : left + 32].unique()) == 2 for left in lefts)
    assert both > 40  # 15 % of all squares will do, 80 % have one within ten draws
    y_HW[:] = -1
    assert choose_crop(y_HW, 32, torch.Generator().manual_seed(0))[0] == 0


def test_distortion_keeps_its_range_and_its_strength():
    generator = torch.Generator().manual_seed(0)
    x_CHW = torch.rand(3, 8, 8, generator=generator)
    assert distort(x_CHW, 0.0, generator) is x_CHW
    changes = {strength: [distort(x_CHW, strength, generator) for _ in range(40)] for strength in (0.1, 0.5)}
    for values in changes.values():
        assert all(0 <= float(value.min()) <= float(value.max()) <= 1 for value in values)
    spread = {strength: float(torch.stack(values).sub(x_CHW).abs().mean()) for strength, values in changes.items()}
    assert spread[0.5] > 2 * spread[0.1] > 0
    assert distort(x_CHW[:1], 0.5, generator).shape == (1, 8, 8)


def test_changes_that_a_scene_cannot_take_are_refused():
    with pytest.raises(UserError, match="policy and erasing are for pictures with one label"):
        SceneAugment(INPUT, ImageAugment(erasing=0.25))


def test_damaged_and_mislabelled_members_are_named(folder, cut):
    items = read(folder, "train", WANTED)
    annotation = folder / "annotations" / "training" / "ADE_train_00000000.png"
    plan = scene(0)[0]
    for content, fault in (
        (plan + (plan == 150).astype(np.uint8), r"00000000\.png: holds the class 151; classes go from 1 to 150"),
        (plan[:50], r"00000000\.png: has 90 × 50 pixels, its picture 90 × 60; restore the pair"),
        (np.stack([plan] * 3, axis=-1), r"00000000\.png: is a picture in colours where one number a pixel is expected"),
    ):
        Image.fromarray(content).save(annotation)
        with pytest.raises(UserError, match=fault):
            items.train(0, 0)
    cut(annotation)
    with pytest.raises(UserError, match=r"00000000\.png: is not a complete image"):
        items.test(0)
    cut(folder / "images" / "training" / "ADE_train_00000001.jpg")
    with pytest.raises(UserError, match=r"00000001\.jpg: is not a complete image"):
        items.train(1, 0)


def test_missing_members_are_named(folder):
    (folder / "annotations" / "validation" / "ADE_valid_00000001.png").unlink()
    with pytest.raises(UserError, match=r"annotations/validation/ADE_valid_00000001\.png: is missing, its counterpart is there"):
        read(folder, "test", WANTED)
    (folder / "images" / "training" / "ADE_train_00000002.jpg").unlink()
    with pytest.raises(UserError, match=r"images/training/ADE_train_00000002\.jpg: is missing"):
        read(folder, "train", WANTED)
    (folder / "annotations" / "training" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"notes\.txt: is not a \.png file"):
        read(folder, "train", WANTED)
    (folder / "images").rename(folder / "pictures")
    with pytest.raises(UserError, match=r"images/training: is missing; the data set needs it"):
        read(folder, "train", WANTED)


def test_a_wrong_list_of_classes_is_told(folder):
    path = folder / "objectInfo150.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(UserError, match=r"objectInfo150\.txt: lists 149 classes below its heading, not 150"):
        read(folder, "test", WANTED)
    lines[7] = lines[7].replace("7\t", "8\t", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"objectInfo150\.txt, line 8: must hold class 7"):
        read(folder, "test", WANTED)


@pytest.mark.parametrize(
    ("orientation", "turn"), [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)]
)
def test_a_picture_is_turned_as_its_tag_says_and_its_annotation_as_stored(folder, orientation, turn):
    """As OpenCV's imread, with which mmsegmentation reads: a tag of 6 asks for a quarter turn clockwise to show the picture."""
    plan, picture = scene(0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    home = folder / "images" / "validation" / "ADE_valid_00000000.jpg"
    Image.fromarray(picture).convert("RGB").save(home, quality=100, exif=exif)
    items = read(folder, "test", WANTED)
    if turn(plan).shape != plan.shape:
        with pytest.raises(UserError, match=r"ADE_valid_00000000\.png: has 90 × 60 pixels, its picture 60 × 90"):
            items.test(0)
        Image.fromarray(np.ascontiguousarray(turn(plan))).save(folder / "annotations" / "validation" / "ADE_valid_00000000.png")
    shown, labels = items._read(0)
    np.testing.assert_allclose(np.asarray(shown)[:, :, 0].astype(int), turn(picture).astype(int), atol=12)
    stored = turn(plan) if turn(plan).shape != plan.shape else plan
    np.testing.assert_array_equal(labels, stored.astype(np.int64) - 1)


@pytest.mark.parametrize("bits", [2, 4])
def test_annotations_of_fewer_bits_hold_the_numbers_that_are_stored(folder, bits):
    """Programs that shrink PNGs store few classes in few bits; decoders spread these over 0 to 255 (PNG, section 13.12)."""
    path = folder / "annotations" / "training" / "ADE_train_00000000.png"
    plan_HW = np.random.default_rng(0).integers(0, 1 << bits, (60, 90))
    bits_HWB = (plan_HW[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(bits_HWB.reshape(60, -1), axis=1)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 90, 60, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert np.array_equal(read(folder, "train", WANTED).test(0)["y"].numpy(), plan_HW - 1)
