"""The published values."""

import pytest

from m2pt.config import PointAugment
from m2pt.modalities.point.recipes import RECIPES
from m2pt.modalities.point.transforms.clouds import cloud_transform, part_transform
from m2pt.modalities.shared.wanted import Wanted


@pytest.mark.parametrize(
    ("name", "points", "groups", "pool"), [("scanobjectnn", 2048, 128, 2400), ("modelnet40", 1024, 64, 1200)]
)
def test_classification_is_point_mae_s(name, points, groups, pool):
    recipe = RECIPES[f"point-mae-{name}"]
    finetune, clouds = recipe.finetune, recipe.input
    assert (recipe.goal, finetune.head, clouds.form) == ("classification", "class_and_max", "published")
    assert (clouds.points, clouds.groups, clouds.neighbours, clouds.skip_origin) == (points, groups, 32, True)
    assert (finetune.epochs, finetune.warmup_epochs, finetune.batch_size, finetune.clip_norm) == (301, 10, 32, 10)
    assert (finetune.schedule_by, finetune.epochs - finetune.schedule_tail, finetune.warmup_start) == ("epoch", 300, 1e-6)
    assert finetune.undecayed == ("class_token",)
    assert (finetune.learning_rate, finetune.learning_rate_per, finetune.final_learning_rate) == (5e-4, None, 1e-6)
    assert (finetune.weight_decay, finetune.layer_decay, finetune.drop_path, finetune.label_smoothing) == (0.05, 1, 0.1, 0)
    assert finetune.augment == PointAugment(sample_from=pool, scale=(2 / 3, 3 / 2), shift=0.2, turn=False)
    cloud_transform(Wanted(clouds, finetune.augment, finetune.test, recipe.goal), name)


@pytest.mark.parametrize("name", ["shapenetpart", "partnet"])
def test_part_segmentation_is_that_of_the_released_code(name):
    recipe = RECIPES[f"point-mae-{name}"]
    finetune, clouds = recipe.finetune, recipe.input
    assert (recipe.goal, finetune.head, clouds.form) == ("part_segmentation", "part_segmentation", "published")
    assert (clouds.points, clouds.groups, clouds.neighbours, clouds.skip_origin) == (2048, 128, 32, True)
    assert (finetune.epochs, finetune.warmup_epochs, finetune.batch_size, finetune.clip_norm) == (300, 10, 16, 10)
    assert (finetune.schedule_by, finetune.schedule_tail, finetune.warmup_start) == ("epoch", 0, 1e-6)
    assert (finetune.learning_rate, finetune.learning_rate_per, finetune.final_learning_rate) == (2e-4, None, 1e-6)
    assert (finetune.weight_decay, finetune.layer_decay, finetune.drop_path, finetune.label_smoothing) == (0.05, 1, 0.1, 0)
    assert finetune.augment == PointAugment(scale=(0.8, 1.25), shift=0.1)
    part_transform(Wanted(clouds, finetune.augment, finetune.test, recipe.goal), name)


def test_every_recipe_trains_with_all_labels_and_names_its_source():
    assert set(RECIPES) == {f"point-mae-{name}" for name in ("scanobjectnn", "modelnet40", "shapenetpart", "partnet")}
    assert all(recipe.finetune.samples == "all" and recipe.source for recipe in RECIPES.values())
    assert "no recipe for PartNet is published" in RECIPES["point-mae-partnet"].source
