"""The published recipe for video, value by value, and that what it names exists."""

import pytest
import torch

from m2pt.modalities.video.recipes import RECIPES
from m2pt.modalities.video.transforms.clips import ClipAugment


def test_the_recipe_for_kinetics_holds_the_published_values():
    recipe = RECIPES["videomae-kinetics400"]
    given, tuned = recipe.input, recipe.finetune
    assert (given.form, given.frames, given.stride, given.size, given.tubelet, given.patch) == ("published", 16, 4, 224, 2, 16)
    assert given.frames // given.tubelet * (given.size // given.patch) ** 2 == 1568
    assert given.mean == (0.485, 0.456, 0.406) and given.std == (0.229, 0.224, 0.225)
    assert (tuned.epochs, tuned.warmup_epochs, tuned.repeats) == (90, 5.0, 2)
    assert tuned.learning_rate * tuned.batch_size / tuned.learning_rate_per == pytest.approx(7e-4 * 48 / 256)
    assert tuned.final_learning_rate == pytest.approx(1e-6 * 48 / 256)
    assert (tuned.layer_decay, tuned.weight_decay, tuned.drop_path) == (0.75, 0.05, 0.1)
    assert (tuned.mixup, tuned.cutmix, tuned.label_smoothing) == (0.8, 1.0, 0.1)
    assert (8 * tuned.mixing_rows, tuned.mixing_rows) == (tuned.batch_size * tuned.repeats, 12)
    assert tuned.warmup_start == pytest.approx(1e-8 * 48 / 256)
    assert tuned.head_init_std == pytest.approx(2e-5)
    assert (tuned.test.clips, tuned.test.crops) == (5, 3)
    assert tuned.augment.policy == "rand-m7-n4-mstd0.5-inc1" and tuned.augment.erasing == 0.25


def test_the_recipes_augmentation_takes_real_frames():
    recipe = RECIPES["videomae-kinetics400"]
    frames = [torch.randint(0, 256, (256, 340, 3), dtype=torch.uint8).numpy()] * 2
    clip = ClipAugment(recipe.finetune.augment, recipe.input)(frames, torch.Generator().manual_seed(0))
    assert clip.shape == (3, 2, 224, 224)
