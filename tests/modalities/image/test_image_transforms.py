"""What becomes of a picture: erasing, crop and flip, greyscale, and faults of the sections."""

import numpy as np
import pytest
import torch
from PIL import Image

from m2pt.config import AudioAugment, AudioInput, ImageAugment, ImageInput, TestConfig, UserError
from m2pt.modalities.image.transforms import TestTransform, TrainTransform, constants, sections
from m2pt.modalities.items import Wanted, seeded
from m2pt.modalities.tokenizer import ChannelConstants

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COLOUR = ImageInput(form="published", size=64, channels=3, patch=8, mean=MEAN, std=STD)


def test_a_hole_is_standard_normal_for_the_model():
    transform = TrainTransform(COLOUR, ImageAugment(erasing=0.999))
    picture = Image.new("RGB", (64, 64), (200, 30, 120))
    untouched = torch.tensor([200, 30, 120]).view(3, 1, 1) / 255
    holes = []
    for seed in range(40):
        with seeded(seed):
            x_CHW = transform(picture)
        seen_CHW = ChannelConstants(MEAN, STD)(x_CHW[None])[0]
        holes.append(seen_CHW[:, ((x_CHW - untouched).abs() > 1e-5).any(dim=0)])
    values_CM = torch.cat(holes, dim=1)
    assert values_CM.shape[1] > 10_000
    torch.testing.assert_close(values_CM.mean(dim=1), torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(values_CM.std(dim=1), torch.ones(3), atol=0.03, rtol=0)


def test_without_policy_a_picture_is_cropped_and_flipped_only():
    transform = TrainTransform(COLOUR, ImageAugment(crop_scale=(1.0, 1.0)))
    ramp = np.tile(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (64, 1, 3))
    straight = torch.from_numpy(ramp).permute(2, 0, 1).float() / 255
    turned = 0
    for seed in range(40):
        with seeded(seed):
            x_CHW = transform(Image.fromarray(ramp))
        flipped = bool(x_CHW[0, 0, 0] > x_CHW[0, 0, -1])
        turned += flipped
        torch.testing.assert_close(x_CHW.flip(-1) if flipped else x_CHW, straight, atol=1e-6, rtol=0)
    assert 10 < turned < 30


def test_the_policy_changes_colours():
    picture = Image.fromarray(np.random.default_rng(0).integers(60, 200, (64, 64, 3), dtype=np.uint8))

    def spread(augment):
        values = []
        for seed in range(30):
            with seeded(seed):
                values.append(float(TrainTransform(COLOUR, augment)(picture).mean()))
        return np.std(values)

    policy = ImageAugment(crop_scale=(1.0, 1.0), policy="rand-m9-mstd0.5-inc1")
    assert spread(policy) > 5 * spread(ImageAugment(crop_scale=(1.0, 1.0)))
    assert spread(ImageAugment(crop_scale=(1.0, 1.0), color_jitter=0.4)) > 5 * spread(ImageAugment(crop_scale=(1.0, 1.0)))


def test_greyscale_goes_through_the_whole_recipe():
    grey = ImageInput(size=32, channels=1, patch=8)
    transform = TrainTransform(grey, ImageAugment(policy="rand-m9-mstd0.5-inc1", erasing=0.25))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    for seed in range(60):
        with seeded(seed):
            assert transform(picture).shape == (1, 32, 32)
    assert TestTransform(grey)(picture).shape == (1, 32, 32)


def test_constants_fit_the_channels():
    assert constants(ImageInput(channels=3)) == ((0.5,) * 3, (0.5,) * 3)
    with pytest.raises(UserError, match=r"input\.mean: give one number, or one for each of the 3 channels"):
        constants(ImageInput(channels=3, mean=(0.1, 0.2)))
    with pytest.raises(UserError, match=r"input\.std: must be positive"):
        constants(ImageInput(channels=3, std=(0.1, 0.2, 0.0)))


def test_an_unknown_policy_is_told():
    with pytest.raises(UserError, match=r"augment\.policy: timm cannot read 'more'"):
        TrainTransform(COLOUR, ImageAugment(policy="more"))


def test_sections_of_another_modality_are_told():
    for wanted in (
        Wanted(AudioInput(), None, TestConfig(), "classification"),
        Wanted(COLOUR, AudioAugment(), TestConfig(), "classification"),
    ):
        with pytest.raises(UserError, match="'imagenet' holds images; the task's recipe is one of another modality"):
            sections(wanted, "classification", "imagenet")
