"""The published recipes hold the published values, and their readers take them."""

import pytest

from m2pt.config import ImageAugment, TestConfig
from m2pt.modalities.image.recipes import RECIPES
from m2pt.modalities.image.transforms.instances import InstanceAugment
from m2pt.modalities.image.transforms.pictures import TestTransform, TrainTransform, sections
from m2pt.modalities.image.transforms.scenes import SceneAugment
from m2pt.modalities.shared.wanted import Wanted
from m2pt.models.families.windows import is_global


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fits_a_reader(name):
    recipe = RECIPES[name]
    assert recipe.input.form == "published"
    assert isinstance(recipe.finetune.augment, ImageAugment)
    config, augment = sections(Wanted(recipe.input, recipe.finetune.augment, TestConfig(), recipe.goal), recipe.goal, "any")
    if recipe.goal == "classification":
        TrainTransform(config, augment)
        TestTransform(config)
    elif recipe.goal == "semantic_segmentation":
        SceneAugment(config, augment)
    else:
        InstanceAugment(config, augment)


def test_peak_learning_rates():
    """4 · 5e-4 for the fine-tuning, 6.4 for the linear probe: the rates that MAE's logs show."""
    rates = {
        name: recipe.finetune.learning_rate * recipe.finetune.batch_size / (recipe.finetune.learning_rate_per or 256)
        for name, recipe in RECIPES.items()
    }
    assert rates["mae-finetune"] == pytest.approx(2e-3)
    assert rates["mae-linear-probe"] == pytest.approx(6.4)


def test_the_length_of_ade20k_is_nearest_to_the_published_steps():
    recipe = RECIPES["mae-ade20k"].finetune
    steps = {epochs: epochs * (20210 // recipe.batch_size) for epochs in range(120, 135)}  # an incomplete batch is left out
    assert recipe.epochs == min(steps, key=lambda epochs: abs(steps[epochs] - 160_000))
    assert recipe.learning_rate_per is None


def test_the_length_of_coco_is_nearest_to_the_published_steps():
    recipe = RECIPES["vitdet-coco"].finetune
    steps = {epochs: epochs * (117_266 // recipe.batch_size) for epochs in range(95, 105)}
    assert recipe.epochs == min(steps, key=lambda epochs: abs(steps[epochs] - 184_375))
    assert (recipe.learning_rate_per, recipe.layer_decay, recipe.weight_decay, recipe.drop_path) == (None, 0.7, 0.1, 0.1)
    assert (recipe.augment.scene_scale, recipe.augment.flip, recipe.augment.color_jitter) == ((0.1, 2.0), 0.5, 0.0)
    assert (recipe.blocks.windows, recipe.blocks.split_positions, recipe.blocks.layer_scale) == (14, True, None)
    assert [index for index in range(12) if is_global(index, 12)] == [2, 5, 8, 11]


def test_rows_are_those_of_the_released_commands():
    """8 devices: 4 steps of accumulation of 32 rows make 1024, 16 of 128 make 16,384."""
    tuned, probe = RECIPES["mae-finetune"].finetune, RECIPES["mae-linear-probe"].finetune
    assert (tuned.mixing_rows, 8 * 4 * tuned.mixing_rows) == (32, tuned.batch_size)
    assert (probe.norm_rows, 8 * 16 * probe.norm_rows) == (128, probe.batch_size)


def test_ade20k_begins_and_decays_as_mmsegmentation():
    """Its warm-up starts at 1e-6 of the rate; it spares `cls_token` and `pos_embed`, but its names begin with `backbone.`."""
    recipe = RECIPES["mae-ade20k"].finetune
    assert recipe.warmup_start == pytest.approx(1e-10)
    assert recipe.undecayed == ()
