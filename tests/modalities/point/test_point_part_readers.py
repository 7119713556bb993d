"""ShapeNetPart and PartNet in their published files, and what is said of files that are not as they should be."""

import json
import pickle

import h5py
import numpy as np
import pytest
import torch

from m2pt.config import PointAugment, PointInput, TestConfig, UserError
from m2pt.modalities.point.datasets.partnet import CATEGORIES as LEVELS
from m2pt.modalities.point.datasets.partnet import FINEST_PARTS
from m2pt.modalities.point.datasets.shapenetpart import CATEGORIES
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted

CONFIG = PointInput(form="published", points=32, groups=2, neighbours=2)
AUGMENT = PointAugment(scale=(0.8, 1.25), shift=0.1)
FOLDERS = {"Airplane": "02691156", "Chair": "03001627", "Table": "04379243"}
PARTS = {"Airplane": (0, 1, 2, 3), "Chair": (12, 13, 14, 15), "Table": (47, 48, 49)}


def open_parts(dataset, folder, split="train", variant=None, augment=AUGMENT):
    return declared(dataset).open(folder, split, Wanted(CONFIG, augment, TestConfig(), "part_segmentation", variant))


def cloud(seed, parts, points=20):
    """Points whose label is told by their height; the last point has the last one."""
    generator = np.random.default_rng(seed)
    points_P3 = generator.uniform(-0.99, 0.99, size=(points, 3)).round(4)
    points_P3[-1, 1] = 0.99
    return points_P3, np.asarray(parts)[((points_P3[:, 1] + 1) / 2 * len(parts)).astype(int)]


@pytest.fixture
def shapenet(tmp_path):
    """Shapes by category and id; the lists are shuffled, as published."""
    splits = {
        "train": [("Table", "b"), ("Airplane", "c"), ("Chair", "a"), ("Airplane", "a")],
        "val": [("Airplane", "b"), ("Chair", "f")],
        "test": [("Chair", "e"), ("Airplane", "d")],
    }
    (tmp_path / "train_test_split").mkdir()
    for split, shapes in splits.items():
        entries = [f"shape_data/{FOLDERS[category]}/{name}" for category, name in shapes]
        (tmp_path / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(entries))
        for category, name in shapes:
            points, labels = cloud(ord(name), PARTS[category])
            lines = [" ".join(f"{value:.6f}" for value in [*p, 0, 1, 0, part]) for p, part in zip(points, labels, strict=True)]
            (tmp_path / FOLDERS[category]).mkdir(exist_ok=True)
            (tmp_path / FOLDERS[category] / f"{name}.txt").write_text("\n".join(lines) + "\n")
    lines = [f"{name}\t{FOLDERS.get(name, f'{number:08d}')}" for number, name in enumerate(CATEGORIES)]
    (tmp_path / "synsetoffset2category.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_shapenetpart_has_fifty_parts_in_sixteen_categories(shapenet):
    items = open_parts("shapenetpart", shapenet)
    assert (len(items.classes), items.num_categories, len(items.parts)) == (50, 16, 16)
    assert [part for labels in items.parts for part in labels] == list(range(50))
    names = list(CATEGORIES)
    for category, parts in PARTS.items():
        assert items.parts[names.index(category)] == parts
        assert [items.classes[part] for part in parts] == [f"{category}/{number}" for number in range(len(parts))]


def test_the_splits_of_shapenetpart_are_the_official_ones(shapenet):
    names = {split: open_parts("shapenetpart", shapenet, split) for split in ("train", "val", "test")}
    assert {split: items.labels.tolist() for split, items in names.items()} == {
        "train": [0, 0, 4, 15],
        "val": [0, 4],
        "test": [0, 4],
    }
    assert names["train"].name(1) == str(shapenet / "02691156" / "c.txt")
    together = open_parts("shapenetpart", shapenet, variant="trainval")
    assert [together.name(index)[-5] for index in range(len(together))] == ["a", "b", "c", "a", "f", "b"]
    assert open_parts("shapenetpart", shapenet, "val", variant="trainval") is None
    assert len(open_parts("shapenetpart", shapenet, "test", variant="trainval")) == 2


def test_points_of_shapenetpart_come_with_their_labels(shapenet):
    items = open_parts("shapenetpart", shapenet, "test")
    item = items.test(1)
    assert item["x"].shape == (1, 32, 3) and item["y"].shape == (32,) and item["given"].item() == 4
    points, labels = cloud(ord("e"), PARTS["Chair"])
    centred = points - points.mean(axis=0)
    known = {tuple(np.round(p, 4)): part for p, part in zip(centred / np.linalg.norm(centred, axis=1).max(), labels, strict=True)}
    labels = [known[tuple(np.round(p, 4))] for p in item["x"][0].double().numpy()]
    assert item["y"].tolist() == labels
    assert torch.equal(pickle.loads(pickle.dumps(items)).test(1)["x"], item["x"])  # the same points each time
    train = items.train(1, 3)
    assert train["x"].shape == (32, 3) and set(train) == {"x", "y", "given"}
    assert torch.equal(train["y"], items.train(1, 3)["y"]) and not torch.equal(train["x"], items.train(1, 4)["x"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:4], lines[4][:20]], r"a\.txt, line 5: is not a line of 7 numbers"),
        (lambda lines: [line.rsplit(" ", 1)[0] for line in lines], r"a\.txt: has 6 numbers a line, not 7"),
        (
            lambda lines: [*lines[:4], lines[4].rsplit(" ", 1)[0] + " 4.0"],
            r"a\.txt, line 5: the label 4 is not a part of Airplane",
        ),
        (
            lambda lines: [lines[0].rsplit(" ", 1)[0] + " 0.5"],
            r"a\.txt, line 1: the label 0.5 is not a part of Airplane \(0 to 3\)",
        ),
        (lambda lines: [lines[0]] * 5, r"a\.txt: all points coincide"),
        (lambda lines: [" "], r"a\.txt: holds no points"),
    ],
)
def test_a_shape_that_is_not_as_it_should_be_is_named(shapenet, change, message):
    path = shapenet / "02691156" / "a.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    items = open_parts("shapenetpart", shapenet)
    items.train(1, 0)
    for read in (lambda: items.train(0, 0), lambda: items.test(0)):
        with pytest.raises(UserError, match=message):
            read()


def test_lists_of_shapenetpart_that_do_not_fit_are_named(shapenet):
    listing = shapenet / "train_test_split" / "shuffled_train_file_list.json"
    whole = listing.read_text()
    for content, message in (
        (whole[:-9], "is not valid JSON"),
        ("{}", "is not a list of names"),
        ("[]", "is not a list of names"),
        ('["shape_data/02691156"]', "names 'shape_data/02691156', which is not of the form"),
        ('["shape_data/99/a"]', "names 'shape_data/99/a', which is not of the form"),
        (None, "cannot be read"),
    ):
        listing.unlink() if content is None else listing.write_text(content)
        with pytest.raises(UserError, match=rf"shuffled_train_file_list\.json: {message}"):
            open_parts("shapenetpart", shapenet)
    for content, message in (
        ('["shape_data/02691156/a", "shape_data/02691156/a"]', "names 'shape_data/02691156/a', which is listed already"),
        ('["shape_data/02691156/.a"]', r"names '02691156/\.a\.txt', and dotfiles belong to no data set"),
    ):
        listing.write_text(content)
        with pytest.raises(UserError, match=rf"shuffled_train_file_list\.json: {message}"):
            open_parts("shapenetpart", shapenet)
    listing.write_text('["shape_data/02691156/z"]')
    with pytest.raises(UserError, match=r"z\.txt: cannot be read"):
        open_parts("shapenetpart", shapenet).test(0)
    folders = shapenet / "synsetoffset2category.txt"
    lines = folders.read_text().splitlines()
    for content, message in ((lines[:-1], "lacks the category Table"), ([*lines, "Boat\t1"], "the line 'Boat\\\\t1' is not one")):
        folders.write_text("\n".join(content))
        with pytest.raises(UserError, match=rf"synsetoffset2category\.txt: {message}"):
            open_parts("shapenetpart", shapenet)
    with pytest.raises(UserError, match="shapenetpart has no variant '3'"):
        open_parts("shapenetpart", shapenet, variant="3")


def write_h5(path, data, labels):
    with h5py.File(path, "w") as file:
        file["data"], file["label_seg"] = data, labels


def write_level(folder, level, counts):
    """Two training files, one to validate with and one to test with, for each category, with so many labels."""
    for number, name in enumerate(LEVELS[level]):
        home = folder / f"{name}-{level}"
        home.mkdir(parents=True)
        for split, files in (("train", ("train-00.h5", "train-01.h5")), ("val", ("val-00.h5",)), ("test", ("test-00.h5",))):
            (home / f"{split}_files.txt").write_text("".join(f"./{file}\n" for file in files))
            for file in files:
                shapes = [cloud(number * 100 + row, range(counts[name])) for row in range(2 if file == "train-00.h5" else 1)]
                points, labels = zip(*shapes, strict=True)
                write_h5(home / file, np.stack(points).astype(np.float32), np.stack(labels).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def whole_partnet(tmp_path_factory):
    return write_level(tmp_path_factory.mktemp("sem_seg_h5"), "3", FINEST_PARTS)


@pytest.fixture
def partnet(tmp_path):
    """The second level: nine categories of 3, 4, ... labels."""
    counts = {name: 3 + number for number, name in enumerate(LEVELS["2"])}
    return write_level(tmp_path / "sem_seg_h5", "2", counts)


def test_the_third_level_of_partnet_has_its_published_labels(whole_partnet):
    for variant in (None, "3"):
        items = open_parts("partnet", whole_partnet, variant=variant)
        assert (len(items), len(items.classes), items.num_categories) == (17 * 3, 268, 17)
        assert items.labels.tolist() == sorted([*range(17)] * 3)
    assert items.parts[0] == tuple(range(15)) and items.parts[1] == tuple(range(15, 24)) and items.parts[-1][-1] == 267
    assert items.classes[15] == "Bottle/0"
    assert [len(open_parts("partnet", whole_partnet, split)) for split in ("val", "test")] == [17, 17]


def test_shapes_of_partnet_are_counted_through_their_categories(whole_partnet):
    items = open_parts("partnet", whole_partnet)
    index = 5  # the third shape of Bottle, in its second file
    assert items.name(index) == f"{whole_partnet / 'Bottle-3' / 'train-01.h5'}, cloud 0"
    item = items.test(index)
    assert item["x"].shape == (1, 32, 3) and item["given"].item() == 1
    points, labels = cloud(100, range(9))
    centred = points - points.mean(axis=0)
    known = {tuple(np.round(p, 3)): part for p, part in zip(centred / np.linalg.norm(centred, axis=1).max(), labels, strict=True)}
    assert item["y"].tolist() == [15 + known[tuple(np.round(p, 3))] for p in item["x"][0].double().numpy()]
    assert torch.equal(pickle.loads(pickle.dumps(items)).train(index, 1)["y"], items.train(index, 1)["y"])


def test_a_coarser_level_has_as_many_labels_as_its_files(partnet):
    items = open_parts("partnet", partnet, variant="2")
    assert [len(labels) for labels in items.parts] == [3, 4, 5, 6, 7, 8, 9, 10, 11] and len(items) == 27
    points, _ = cloud(0, range(3))
    write_h5(partnet / "Bed-2" / "test-00.h5", points[None].astype(np.float32), np.full((1, 20), 7, np.uint8))
    assert len(open_parts("partnet", partnet, variant="2").parts[0]) == 8  # in whichever split the label stands


def test_faults_of_partnet_are_named(partnet, whole_partnet, tmp_path):
    with pytest.raises(UserError, match="partnet has no variant '4'; choose a level"):
        open_parts("partnet", partnet, variant="4")
    with pytest.raises(UserError, match=r"Bag-1: is missing; the data set needs it"):
        open_parts("partnet", partnet, variant="1")
    path = partnet / "Door-2" / "val-00.h5"
    content, points = path.read_bytes(), np.zeros((1, 20, 3), np.float32)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"Door-2/val-00\.h5: is not a complete HDF5 file"):
        open_parts("partnet", partnet, variant="2")
    for labels, message in (
        (np.zeros((1, 19), np.uint8), r"`label_seg` is uint8 of shape \(1, 19\), not integers of shape \(1, 20\)"),
        (np.zeros((1, 20), np.float32), "`label_seg` is float32"),
        (np.full((1, 20), -1), "`label_seg` has the label -1"),
    ):
        write_h5(path, points, labels)
        with pytest.raises(UserError, match=rf"Door-2/val-00\.h5: {message}"):
            open_parts("partnet", partnet, variant="2")
    write_h5(path, points, np.zeros((1, 20), np.uint8))
    items = open_parts("partnet", partnet, "val", variant="2")
    with pytest.raises(UserError, match=r"Door-2/val-00\.h5, cloud 0: all points coincide"):
        items.test(3)
    path.unlink()
    with pytest.raises(UserError, match=r"val-00\.h5: is missing, though val_files\.txt lists it"):
        open_parts("partnet", partnet, variant="2")


def test_a_label_beyond_the_published_ones_is_named(tmp_path):
    folder = write_level(tmp_path, "3", FINEST_PARTS | {"Display": 5})
    with pytest.raises(UserError, match=r"Display-3/train-0\d\.h5: `label_seg` has the label 4, but labels go from 0 to 3"):
        open_parts("partnet", folder)
