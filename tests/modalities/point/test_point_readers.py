"""ModelNet40 and ScanObjectNN in their published files, and what is said of files that are not as they should be."""

import pickle
import shutil

import h5py
import numpy as np
import pytest
import torch

from m2pt.config import PointInput, TestConfig, UserError
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted
from tests.modalities.point.clouds import AUGMENT, CONFIG, cloud, unit, wanted, write_h5


def open_modelnet40(folder, split="train", **options):
    return declared("modelnet40").open(folder, split, wanted(**options))


@pytest.fixture
def stored(tmp_path):
    """`modelnet40_ply_hdf5_2048`: clouds 0, 1, 2 and 3, 4 of classes 1, 0, 1 and 0, 1."""
    folder = tmp_path / "modelnet40_ply_hdf5_2048"
    write_h5(folder / "ply_data_train0.h5", np.stack([cloud(0), cloud(1), cloud(2)]), np.array([[1], [0], [1]], np.uint8))
    write_h5(folder / "ply_data_train1.h5", np.stack([cloud(3), cloud(4)]), np.array([[0], [1]], np.uint8))
    write_h5(folder / "ply_data_test0.h5", np.stack([cloud(5), cloud(6)]), np.array([[0], [1]], np.uint8))
    home = "data/modelnet40_ply_hdf5_2048"
    (folder / "train_files.txt").write_text(f"{home}/ply_data_train0.h5\n{home}/ply_data_train1.h5\n")
    (folder / "test_files.txt").write_text(f"{home}/ply_data_test0.h5\n")
    (folder / "shape_names.txt").write_text("airplane\nnight_stand\n")
    return folder


@pytest.fixture
def text(tmp_path):
    """`modelnet40_normal_resampled` with the very clouds of `stored`."""
    folder = tmp_path / "modelnet40_normal_resampled"
    names = {"train": [("night_stand", 0), ("airplane", 1), ("night_stand", 2), ("airplane", 3), ("night_stand", 4)]}
    names["test"] = [("airplane", 5), ("night_stand", 6)]
    for split, shapes in names.items():
        listed = []
        for name, seed in shapes:
            listed.append(f"{name}_{seed + 1:04d}")
            (folder / name).mkdir(parents=True, exist_ok=True)
            lines = [",".join(f"{value:.9g}" for value in [*point, 0, 0, 1]) for point in cloud(seed)]
            (folder / name / f"{listed[-1]}.txt").write_text("\n".join(lines) + "\n")
        (folder / f"modelnet40_{split}.txt").write_text("\n".join(listed) + "\n")
    (folder / "modelnet40_shape_names.txt").write_text("airplane\nnight_stand\n")
    return folder


def test_both_forms_of_modelnet40_hold_the_same(stored, text):
    for folder in (stored, text):
        train, test = open_modelnet40(folder), open_modelnet40(folder, "test")
        assert open_modelnet40(folder, "val") is None
        assert train.classes == ("airplane", "night_stand")
        assert train.labels.tolist() == [1, 0, 1, 0, 1] and test.labels.tolist() == [0, 1]
        assert (len(train), len(test)) == (5, 2)
        for index in range(2):
            item = test.test(index)
            assert item["x"].shape == (1, 8, 3) and item["y"].item() == index
            whole = {tuple(np.round(point, 5)) for point in unit(cloud(5 + index)).tolist()}
            assert {tuple(np.round(point, 5)) for point in item["x"][0].double().numpy().tolist()} <= whole
            np.testing.assert_allclose(item["x"][0, 0], unit(cloud(5 + index))[0], atol=1e-6)  # sampling starts there
    mine, other = open_modelnet40(stored), open_modelnet40(text)
    for index in range(5):
        torch.testing.assert_close(mine.train(index, 7)["x"], other.train(index, 7)["x"])


def test_a_sample_follows_from_its_seed_alone(stored):
    items = open_modelnet40(stored, votes=3)
    torch.manual_seed(5)
    first, state = items.train(2, 11), torch.random.get_rng_state()
    copy = pickle.loads(pickle.dumps(items))
    torch.rand(3)
    assert torch.equal(copy.train(2, 11)["x"], first["x"])
    assert not torch.equal(items.train(2, 12)["x"], first["x"])
    torch.manual_seed(5)
    assert torch.equal(torch.random.get_rng_state(), state)  # the global generator is not touched
    views = items.test(2)["x"]
    assert views.shape == (3, 8, 3) and torch.equal(copy.test(2)["x"], views)
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(items.test(0)["x"], views)


def test_files_are_opened_when_they_are_needed_and_not_taken_along(stored):
    items = open_modelnet40(stored)
    items.train(4, 0)
    assert len(items._rows._files) == 1
    assert pickle.loads(pickle.dumps(items))._rows._files == {}
    assert items.name(4) == f"{stored / 'ply_data_train1.h5'}, cloud 1"


def test_a_validation_list_that_someone_has_made_is_read(stored):
    shutil.copy(stored / "test_files.txt", stored / "val_files.txt")
    assert len(open_modelnet40(stored, "val")) == 2


def test_without_augmentation_training_samples_are_test_samples(stored):
    items = open_modelnet40(stored, augment=None)
    assert torch.equal(items.train(1, 0)["x"], items.test(1)["x"][0])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_of_clouds_is_named(stored, share):
    path = stored / "ply_data_train1.h5"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"ply_data_train1\.h5: is (not a complete HDF5 file|empty)"):
        open_modelnet40(stored)


TWO = np.stack([cloud(3), cloud(4)])
LABELS = np.array([[0], [1]], np.uint8)


@pytest.mark.parametrize(
    ("data", "label", "message"),
    [
        (None, LABELS, "has no dataset 'data'"),
        (TWO, None, "has no dataset 'label'"),
        (TWO[:, :, :2], LABELS, r"`data` is float32 of shape \(2, 20, 2\)"),
        (TWO.astype(np.int64), LABELS, "`data` is int64"),
        (TWO[:, :7], LABELS, r"clouds have 7 points, fewer than the input's points \(8\)"),
        (TWO, LABELS[:1], r"`label` is uint8 of shape \(1, 1\), not integers of shape \(2,\)"),
        (TWO, LABELS.astype(np.float32), "`label` is float32"),
        (TWO, LABELS + np.uint8(1), "`label` has the label 2, but labels go from 0 to 1"),
    ],
)
def test_a_file_of_clouds_of_another_form_is_named(stored, data, label, message):
    write_h5(stored / "ply_data_train1.h5", data, label)
    with pytest.raises(UserError, match=rf"ply_data_train1\.h5: {message}"):
        open_modelnet40(stored)


def test_a_damaged_cloud_is_named_when_it_is_read(stored):
    broken = TWO.copy()
    broken[1, 3, 0] = np.nan
    write_h5(stored / "ply_data_train1.h5", broken, LABELS)
    items = open_modelnet40(stored)
    items.train(3, 0)
    with pytest.raises(UserError, match=r"ply_data_train1\.h5, cloud 1: has a coordinate that is not a finite number"):
        items.train(4, 0)
    path = stored / "ply_data_train0.h5"
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"ply_data_train0\.h5, cloud 0: cannot be read"):
        open_modelnet40(stored).test(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:5], lines[5][:9]], r"airplane_0004\.txt, line 6: is not a line of 6 numbers"),
        (lambda lines: [*lines[:5], "a,b,c,d,e,f", *lines[6:]], r"airplane_0004\.txt, line 6: is not a line of 6 numbers"),
        (lambda lines: lines[:5], r"airplane_0004\.txt: has 5 points, fewer than the input's points \(8\)"),
        (lambda lines: [line.rsplit(",", 3)[0] for line in lines], r"airplane_0004\.txt: has 3 numbers a line, not 6"),
        (lambda lines: ["", ""], r"airplane_0004\.txt: holds no points"),
        (lambda lines: [line.replace(line.split(",")[0], "nan") for line in lines], r"airplane_0004\.txt: has a coordinate"),
    ],
)
def test_a_text_file_that_is_not_as_it_should_be_is_named(text, change, message):
    path = text / "airplane" / "airplane_0004.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())))
    items = open_modelnet40(text)
    items.train(1, 0)
    with pytest.raises(UserError, match=message):
        items.train(3, 0)


def test_a_binary_or_removed_text_file_is_named(text):
    path = text / "airplane" / "airplane_0004.txt"
    path.write_bytes(bytes(range(128, 256)) * 4)
    items = open_modelnet40(text)
    with pytest.raises(UserError, match=r"airplane_0004\.txt, line 1: is not a line of 6 numbers"):
        items.test(3)
    path.unlink()
    with pytest.raises(UserError, match=r"airplane_0004\.txt: cannot be read"):
        items.test(3)


def test_lists_that_do_not_fit_are_named(stored, text):
    (text / "modelnet40_test.txt").write_text("sofa_0001\n")
    with pytest.raises(UserError, match=r"modelnet40_test\.txt: names 'sofa_0001', which begins with no class"):
        open_modelnet40(text, "test")
    (text / "modelnet40_test.txt").write_text("airplane_0006\n")
    with pytest.raises(UserError, match=r"modelnet40_test\.txt: has no cloud of class 'night_stand'"):
        open_modelnet40(text, "test")
    (stored / "ply_data_test0.h5").unlink()
    with pytest.raises(UserError, match=r"ply_data_test0\.h5: is missing, though test_files\.txt lists it"):
        open_modelnet40(stored, "test")
    (stored / "train_files.txt").unlink()
    with pytest.raises(UserError, match=r"train_files\.txt: cannot be read"):
        open_modelnet40(stored)
    (stored / "shape_names.txt").unlink()
    with pytest.raises(UserError, match=r"has neither shape_names\.txt \(HDF5\) nor modelnet40_shape_names\.txt \(text\)"):
        open_modelnet40(stored)
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        open_modelnet40(stored / "nowhere")
    with pytest.raises(UserError, match="modelnet40 has no variant 'hardest'"):
        open_modelnet40(stored, variant="hardest")


def farthest(points, count):
    chosen, distance = [0], np.full(len(points), 1e10)
    while len(chosen) < count:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return points[chosen]


def test_clouds_of_modelnet40_can_be_thinned_before_they_are_centred(text):
    """As Point-MAE prepares them (10,000 points to 8192)."""
    config = CONFIG.model_copy(update={"thinned": 12})
    items = declared("modelnet40").open(text, "test", Wanted(config, AUGMENT, TestConfig(), "classification"))
    for index in range(2):
        expected = farthest(unit(farthest(cloud(5 + index), 12)), 8)
        np.testing.assert_allclose(items.test(index)["x"][0], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"points: 8 must not exceed thinned \(7\)"):
        PointInput(points=8, groups=2, neighbours=2, thinned=7)
