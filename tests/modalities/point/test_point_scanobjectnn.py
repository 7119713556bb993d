"""ScanObjectNN in its published files."""

import h5py
import numpy as np
import pytest

from m2pt.config import TestConfig, UserError
from m2pt.modalities.point.datasets.scanobjectnn import CLASSES
from m2pt.modalities.point.recipes import RECIPES
from m2pt.modalities.registry import dataset as declared
from m2pt.modalities.shared.wanted import Wanted
from tests.modalities.point.clouds import cloud, unit, wanted, write_h5


def open_scanobjectnn(folder, split="train", variant="hardest"):
    return declared("scanobjectnn").open(folder, split, wanted(variant))


@pytest.fixture
def scans(tmp_path):
    for home, ending in (
        ("main_split", "objectdataset"),
        ("main_split_nobg", "objectdataset"),
        ("main_split", "objectdataset_augmentedrot_scale75"),
    ):
        for part, count in (("training", 16), ("test", 15)):
            clouds = np.stack([cloud(len(home + ending + part) * 100 + index) for index in range(count)])
            labels = (np.arange(count) % 15).astype(np.int32)
            write_h5(tmp_path / home / f"{part}_{ending}.h5", clouds, labels, mask=np.zeros((count, 20), np.int32))
    return tmp_path


@pytest.mark.parametrize(
    ("variant", "home", "ending"),
    [
        ("obj_bg", "main_split", "objectdataset"),
        ("objectdataset", "main_split", "objectdataset"),
        ("obj_only", "main_split_nobg", "objectdataset"),
        ("objectdataset_nobg", "main_split_nobg", "objectdataset"),
        ("hardest", "main_split", "objectdataset_augmentedrot_scale75"),
    ],
)
def test_the_variants_of_scanobjectnn_are_in_their_files(scans, variant, home, ending):
    train, test = (open_scanobjectnn(scans, split, variant) for split in ("train", "test"))
    assert (len(train), len(test)) == (16, 15) and open_scanobjectnn(scans, "val", variant) is None
    assert train.classes == CLASSES and len(CLASSES) == 15 and CLASSES[4] == "chair"
    assert train.labels.tolist() == [*range(15), 0]
    assert train.name(3) == f"{scans / home / f'training_{ending}.h5'}, cloud 3"
    with h5py.File(scans / home / f"test_{ending}.h5") as file:
        np.testing.assert_allclose(test.test(2)["x"][0, 0], unit(file["data"][2])[0], atol=1e-6)
    assert train.train(0, 1)["x"].shape == (8, 3)


def test_the_recipe_of_scanobjectnn_takes_clouds_as_they_are_stored(scans):
    """Point-MAE's data set hands out the rows of the file; ModelNet40's clouds are centred and scaled."""
    recipe = RECIPES["point-mae-scanobjectnn"]
    small = recipe.input.model_copy(update={"points": 20, "groups": 2, "neighbours": 2})
    items = declared("scanobjectnn").open(
        scans, "test", Wanted(small, recipe.finetune.augment, TestConfig(), "classification", "obj_bg")
    )
    with h5py.File(scans / "main_split" / "test_objectdataset.h5") as file:
        for index in range(3):
            assert np.array_equal(np.sort(items.test(index)["x"][0], axis=0), np.sort(file["data"][index], axis=0))
    assert RECIPES["point-mae-modelnet40"].input.centred and RECIPES["point-mae-shapenetpart"].input.centred


def test_faults_of_scanobjectnn_are_named(scans):
    with pytest.raises(UserError, match="scanobjectnn has no variant None; choose one of obj_bg, obj_only, hardest"):
        open_scanobjectnn(scans, variant=None)
    path = scans / "main_split" / "training_objectdataset.h5"
    write_h5(path, np.stack([cloud(0)] * 15), np.arange(1, 16))
    with pytest.raises(UserError, match=r"training_objectdataset\.h5: `label` has the label 15, but labels go from 0 to 14"):
        open_scanobjectnn(scans, variant="obj_bg")
    write_h5(path, np.stack([cloud(0)] * 14), np.arange(14))
    with pytest.raises(UserError, match=r"training_objectdataset\.h5: has no cloud of class 'toilet'"):
        open_scanobjectnn(scans, variant="obj_bg")
    path.unlink()
    with pytest.raises(UserError, match=r"training_objectdataset\.h5: is missing"):
        open_scanobjectnn(scans, variant="obj_bg")
