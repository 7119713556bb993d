"""Pictures and wishes that the tests of the image readers share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from m2pt.config import ImageAugment, ImageInput, TestConfig
from m2pt.modalities.shared.wanted import Wanted

INPUT = ImageInput(form="published", size=32, channels=3, patch=8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
AUGMENT = ImageAugment(policy="rand-m9-mstd0.5-inc1", erasing=0.25)


@pytest.fixture
def wanted() -> Wanted:
    return Wanted(INPUT, AUGMENT, TestConfig(), "classification")


@pytest.fixture
def plain(wanted: Wanted) -> Wanted:
    return Wanted(INPUT, None, wanted.test, wanted.goal)


@pytest.fixture
def photo() -> Callable[..., Image.Image]:
    """A function that makes a smooth coloured picture, another for every seed."""

    def make(seed: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)

    return make


@pytest.fixture
def cut() -> Callable[[Path], None]:
    """A function that takes the last third off a file."""

    def shorten(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    return shorten
