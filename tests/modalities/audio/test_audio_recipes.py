"""Published values of the recipes for audio, written down a second time."""

import pytest

from m2pt.config import AudioAugment
from m2pt.modalities.audio.recipes import RECIPES

# frames, mean, standard deviation (AST, AudioMAE), batch, base learning rate, weight decay, epochs, warm-up, mixup, masks, noise
PUBLISHED = {
    "audiomae-audioset-20k": (1024, -4.2677393, 4.5689974, 64, 1e-3, 5e-4, 60, 4, 0.5, (48, 192), False),
    "audiomae-audioset-2m": (1024, -4.2677393, 4.5689974, 256, 2e-4, 5e-4, 100, 10, 0.5, (48, 192), False),
    "audiomae-esc50": (512, -6.6268077, 5.358466, 64, 1e-3, 1e-4, 60, 4, 0.0, (24, 96), False),
    "audiomae-speech-commands": (128, -6.845978, 5.5654526, 256, 1e-3, 1e-4, 60, 4, 0.5, (48, 48), True),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_have_their_published_values(name):
    recipe = RECIPES[name]
    config, finetune, augment = recipe.input, recipe.finetune, recipe.finetune.augment
    assert isinstance(augment, AudioAugment)
    values = (
        config.frames,
        config.mean,
        config.std / 2,
        finetune.batch_size,
        finetune.learning_rate,
        finetune.weight_decay,
        finetune.epochs,
        finetune.warmup_epochs,
        augment.mixup,
        (augment.frequency_mask, augment.time_mask),
        augment.noise,
    )
    assert values == PUBLISHED[name]
    assert (config.form, config.mels, config.patch, config.hop_ms, config.sample_rate) == ("published", 128, 16, 10.0, 16000)
    assert (finetune.layer_decay, finetune.drop_path, finetune.learning_rate_per, finetune.head) == (0.75, 0.1, 256, "mean")
    assert (finetune.final_learning_rate, finetune.clip_norm, finetune.samples) == (1e-6, None, "all")
    assert augment.roll and augment.level and recipe.released["finetune.augment.roll"] is False
    assert (finetune.mixup, finetune.cutmix) == (0.0, 0.0)  # waveforms are mixed, not filterbanks
    mixes = augment.mixup > 0
    assert (finetune.loss == "binary_cross_entropy") == mixes


def test_what_the_released_script_for_esc50_does_otherwise():
    """The defaults of main_finetune_esc.py."""
    released = {key.rpartition(".")[2]: value for key, value in RECIPES["audiomae-esc50"].released.items()}
    assert (released["epochs"], released["warmup_epochs"], released["weight_decay"]) == (50, 5, 0.05)
    assert (released["frequency_mask"], released["time_mask"], released["roll"], released["level"]) == (96, 24, False, False)


def test_audioset_is_for_tagging_and_the_large_one_is_sampled_by_weight():
    tagging = {name for name, recipe in RECIPES.items() if recipe.goal == "tagging"}
    assert tagging == {"audiomae-audioset-20k", "audiomae-audioset-2m"}
    for name, recipe in RECIPES.items():
        large = name == "audiomae-audioset-2m"
        assert (recipe.finetune.weighted, recipe.finetune.epoch_samples) == ((True, 200_000) if large else (False, None))
        assert recipe.finetune.replacement == large, "`--replacement False` is true to an option of the type bool"
        dropped = (recipe.finetune.augment.drop_time, recipe.finetune.augment.drop_frequency)
        assert dropped == ((0.2, 0.2) if recipe.goal == "tagging" else (0.0, 0.0))
    assert RECIPES.keys() == PUBLISHED.keys()
