"""Policies of augmentation at the magnitudes that the published recipes reach."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform

from m2pt.config import ImageAugment, ImageInput, VideoAugment, VideoInput
from m2pt.modalities.image.transforms.pictures import TrainTransform
from m2pt.modalities.shared.items import seeded
from m2pt.modalities.shared.policies import mend_policy
from m2pt.modalities.video.transforms.clips import ClipAugment

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("magnitude", range(11))
def test_posterizing_keeps_the_highest_bits_down_to_none(magnitude):
    policy = rand_augment_transform(f"rand-m{magnitude}-p1.0-inc1", {})
    mend_policy(policy)
    (operation,) = (operation for operation in policy.ops if operation.name == "PosterizeIncreasing")
    kept = 4 - int(magnitude / 10 * 4)
    expected = PIXELS & np.uint8((0xFF << (8 - kept)) & 0xFF)
    np.testing.assert_array_equal(np.asarray(operation(Image.fromarray(PIXELS))), expected)


@pytest.mark.parametrize("policy", ["rand-m10-n4-p1.0-inc1", "original-mstd0.5", "augmix-m10-w3"])
def test_a_picture_passes_every_operation_at_its_highest_magnitude(policy):
    transform = TrainTransform(ImageInput(form="published", size=32, channels=3, patch=8), ImageAugment(policy=policy))
    for seed in range(150):
        with seeded(seed):
            assert transform(Image.fromarray(PIXELS)).isfinite().all()


def test_a_clip_passes_every_operation_at_its_highest_magnitude():
    config = VideoInput(form="published", frames=2, stride=1, size=32, channels=3, tubelet=2, patch=8)
    augment = ClipAugment(VideoAugment(policy="rand-m10-n4-p1.0-inc1"), config)
    for seed in range(150):
        assert augment([PIXELS, PIXELS], torch.Generator().manual_seed(seed)).isfinite().all()
