"""What becomes of a picture: erasing, crop and flip, greyscale, and faults of the sections."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from m2pt.config import AudioAugment, AudioInput, ImageAugment, ImageInput, TestConfig, UserError
from m2pt.modalities.image.recipes import RECIPES
from m2pt.modalities.image.transforms.pictures import TestTransform, TrainTransform, constants, sections
from m2pt.modalities.shared.items import seeded
from m2pt.modalities.shared.tokenizer import ChannelConstants
from m2pt.modalities.shared.wanted import Wanted

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


@pytest.mark.parametrize("size", [32, 96, 160, 192, 208, 223, 224, 225, 240, 256, 288, 384, 448, 512])
@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (333, 517), (640, 640), (1000, 301)])
def test_the_tested_square_is_that_of_the_release_at_every_size(size, shape):
    """MAE's own evaluation, written with torchvision: 224/256 of the shorter side up to 224 pixels, all of it beyond."""
    rng = np.random.default_rng(size)
    picture = Image.fromarray(rng.integers(0, 256, (*shape[::-1], 3), dtype=np.uint8))
    fraction = 224 / 256 if size <= 224 else 1.0
    plain = transforms.Compose(
        [
            transforms.Resize(int(size / fraction), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
        ]
    )
    ours = TestTransform(ImageInput(form="published", size=size, channels=3, patch=1, mean=MEAN, std=STD))
    assert torch.equal(ours(picture), plain(picture))


def boxes(augment, count):
    """The shares of a 500 x 375 picture that a training crop takes."""
    transform = TrainTransform(COLOUR, augment).transform
    picture = Image.new("RGB", (500, 375))
    crop = transform.transforms[0]
    shares = []
    with seeded(0):
        for _ in range(count):
            _, _, high, wide = crop.get_params(picture, crop.scale, crop.ratio)
            shares.append(high * wide / (500 * 375))
    return np.sort(shares)


def test_the_crop_of_linear_probing_is_drawn_once():
    """A box of uniform area and log-uniform aspect, cut at the edges; that of fine-tuning is torchvision's."""
    rng = np.random.default_rng(1)
    area, aspect = 500 * 375 * rng.uniform(0.08, 1.0, 20000), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), 20000))
    wide, high = np.minimum(np.round(np.sqrt(area * aspect)), 500), np.minimum(np.round(np.sqrt(area / aspect)), 375)
    defined = np.sort(wide * high / (500 * 375))
    once = boxes(RECIPES["mae-linear-probe"].finetune.augment, 20000)
    assert np.abs(once - defined).max() < 0.02  # quantile by quantile
    assert once.mean() == pytest.approx(0.518, abs=0.005)
    with seeded(0):
        theirs = [
            transforms.RandomResizedCrop.get_params(Image.new("RGB", (500, 375)), (0.08, 1.0), (3 / 4, 4 / 3))
            for _ in range(5000)
        ]
    torchvisions = np.mean([high * wide / (500 * 375) for _, _, high, wide in theirs])
    assert boxes(RECIPES["mae-finetune"].finetune.augment, 5000).mean() == pytest.approx(torchvisions, abs=0.012)


def test_the_crop_of_linear_probing_is_resized_bicubically():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    transform = TrainTransform(COLOUR, ImageAugment(crop_draw="once", flip=0.0))
    for seed in range(5):
        with seeded(seed):
            x_CHW = transform(picture)
        with seeded(seed):
            crop = transform.transform.transforms[0]
            top, left, high, wide = crop.get_params(picture, crop.scale, crop.ratio)
        cut = picture.crop((left, top, left + wide, top + high)).resize((64, 64), Image.Resampling.BICUBIC)
        torch.testing.assert_close(x_CHW, transforms.functional.to_tensor(cut), atol=1e-6, rtol=0)
