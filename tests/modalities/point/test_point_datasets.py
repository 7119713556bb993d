"""Point clouds in ModelNet40's HDF5 layout: what is read, and what is said of files that are not as they should be."""

import h5py
import numpy as np
import pytest

from m2pt.config import PointInput, UserError
from m2pt.modalities.point.small import read

CONFIG = PointInput(points=5, groups=2, neighbours=2)
CLOUDS = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32) * 3 + 10
LABELS = np.array([[1], [0], [1], [0]], dtype=np.uint8)


def write_h5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name, data=values)


@pytest.fixture
def folder(tmp_path):
    write_h5(tmp_path / "a.h5", data=CLOUDS[:3], label=LABELS[:3])
    write_h5(tmp_path / "b.h5", data=CLOUDS[3:], label=LABELS[3:, 0])  # labels as (N,) are read too
    (tmp_path / "val_files.txt").write_text("data/modelnet40_ply_hdf5_2048/a.h5\nb.h5\n")  # as ModelNet40's own list, and plain
    (tmp_path / "shape_names.txt").write_text("chair\nsofa\n")
    return tmp_path


def test_the_first_points_of_each_cloud_in_the_unit_sphere(folder):
    samples = read(folder, "val", CONFIG)
    assert samples.classes == ("chair", "sofa")
    assert samples.y.tolist() == [1, 0, 1, 0]
    for cloud, given in zip(samples.x.numpy(), CLOUDS[:, :5].astype(np.float64), strict=True):
        centred = given - given.mean(axis=0)
        np.testing.assert_allclose(cloud, centred / max(np.sqrt((point**2).sum()) for point in centred), atol=1e-6)


def test_clouds_may_be_taken_as_they_are_stored_but_not_thinned(folder):
    assert np.array_equal(read(folder, "val", CONFIG.model_copy(update={"centred": False})).x.numpy(), CLOUDS[:, :5])
    with pytest.raises(UserError, match=r"inputs\.point\.thinned: is for the published data sets of tasks; leave it out"):
        read(folder, "val", CONFIG.model_copy(update={"thinned": 6}))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(folder, share):
    path = folder / "b.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"b\.h5: is (not a complete HDF5 file|empty)"):
        read(folder, "val", CONFIG)


NAN = CLOUDS[3:].copy()
NAN[0, 6, 1] = np.nan


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"label": LABELS[3:]}, "has no dataset 'data'"),
        ({"data": CLOUDS[3:]}, "has no dataset 'label'"),
        ({"data": CLOUDS[3:, :, :2], "label": LABELS[3:]}, r"`data` is float32 of shape \(1, 7, 2\)"),
        ({"data": CLOUDS[3:].astype(int), "label": LABELS[3:]}, "`data` is int64"),
        ({"data": CLOUDS[3:], "label": LABELS}, r"`label` is uint8 of shape \(4, 1\)"),
        ({"data": CLOUDS[3:], "label": LABELS[3:].astype(float)}, "`label` is float64"),
        ({"data": CLOUDS[3:, :4], "label": LABELS[3:]}, r"clouds have 4 points, fewer than the input's points \(5\)"),
        ({"data": CLOUDS[3:], "label": LABELS[3:] + 2}, "`label` has the label 2, but labels go from 0 to 1"),
        ({"data": CLOUDS[3:], "label": LABELS[3:].astype(int) - 1}, "`label` has the label -1, but labels go from 0 to 1"),
        ({"data": NAN, "label": LABELS[3:]}, "cloud 0 has a coordinate that is not a finite number"),
        ({"data": CLOUDS[3:] * 0, "label": LABELS[3:]}, "all points of cloud 0 coincide"),
    ],
)
def test_a_file_of_another_form_is_named_with_its_fault(folder, datasets, message):
    write_h5(folder / "b.h5", **datasets)
    with pytest.raises(UserError, match=rf"b\.h5: {message}"):
        read(folder, "val", CONFIG)


def test_what_is_missing_is_named(folder):
    with pytest.raises(UserError, match="nowhere: the data folder is missing"):
        read(folder / "nowhere", "val", CONFIG)
    with pytest.raises(UserError, match=r"test_files\.txt: cannot be read"):
        read(folder, "test", CONFIG)
    (folder / "test_files.txt").write_text("\n")
    with pytest.raises(UserError, match=r"test_files\.txt: is empty"):
        read(folder, "test", CONFIG)
    (folder / "shape_names.txt").write_text("chair\nsofa\ntable\n")
    with pytest.raises(UserError, match=r"val_files\.txt: has no sample of class 'table'"):
        read(folder, "val", CONFIG)
    (folder / "b.h5").unlink()
    with pytest.raises(UserError, match=r"b\.h5: is missing, though val_files\.txt lists it"):
        read(folder, "val", CONFIG)


def test_a_file_without_clouds_is_refused(folder):
    write_h5(folder / "a.h5", data=CLOUDS[:0], label=LABELS[:0])
    (folder / "val_files.txt").write_text("a.h5\n")
    with pytest.raises(UserError, match=r"a\.h5: `data` is float32 of shape \(0, 7, 3\)"):
        read(folder, "val", CONFIG)
