"""Handwritten digits for the embedded image and video data: disjoint shares of the digit images, and drawing them.

The digits are scikit-learn's copy of the test part of the UCI set "Optical Recognition of Handwritten Digits": 1,797 images of
8 × 8 pixels with 17 grey levels, 174 or more of each class. Shape suffixes: N pictures, H height, W width.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from m2pt.config import refuses_unknown
from m2pt.modalities.embedded.sizes import NUM_CLASSES
from m2pt.modalities.embedded.synthesis import optional_package
from m2pt.runs.identity import derived_seed

Use = Literal["image", "video"]

# Base digits per class: every share is disjoint from every other, also between image and video. Pretrain and train share one.
SHARES: dict[Use, dict[str, int]] = {"image": {"train": 88, "val": 15, "test": 45}, "video": {"train": 14, "val": 4, "test": 8}}


@refuses_unknown
def base_digits(seed: int, use: Use, split: str) -> NDArray[np.float64]:
    """(10, n, 8, 8) digit images in [0, 1] for one split, by class.

    Raises:
        UserError: scikit-learn is not installed.

    """
    data = optional_package("sklearn.datasets").load_digits()
    rng = np.random.default_rng(derived_seed(seed, "embedded", "base digits"))
    wanted = "train" if split == "pretrain" else split
    chosen = []
    for label in range(NUM_CLASSES):
        order = rng.permutation(np.flatnonzero(data.target == label))
        start = 0
        for name, shares in SHARES.items():
            for share, count in shares.items():
                if (name, share) == (use, wanted):
                    chosen.append(data.images[order[start : start + count]] / 16.0)
                start += count
    return np.stack(chosen)


def place(
    digits_NHW: NDArray[np.float64], size: int, scale: Any, angle: Any, shear: Any, centre_N2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, size, size) canvases, each with one digit drawn by bilinear sampling on black.

    `scale` (canvas pixels per digit pixel), `angle` (radians) and `shear` are (N,); `centre_N2` is the digit's middle on the
    canvas (row, column).
    """
    height = digits_NHW.shape[1]
    padded = np.pad(digits_NHW, ((0, 0), (1, 1), (1, 1)))
    rows, columns = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    row = rows - centre_N2[:, 0, None, None]
    column = columns - centre_N2[:, 1, None, None]
    cosine, sine, shear, scale = (np.asarray(value)[:, None, None] for value in (np.cos(angle), np.sin(angle), shear, scale))
    source_row = (cosine * row + sine * column) / scale
    source_column = (cosine * column - sine * row) / scale + shear * source_row
    middle = (height - 1) / 2 + 1
    source_row = np.clip(source_row + middle, 0, height + 0.999)
    source_column = np.clip(source_column + middle, 0, height + 0.999)
    top, left = source_row.astype(np.int64), source_column.astype(np.int64)
    down, right = source_row - top, source_column - left
    index = np.arange(len(padded))[:, None, None]
    upper = padded[index, top, left] * (1 - right) + padded[index, top, left + 1] * right
    lower = padded[index, top + 1, left] * (1 - right) + padded[index, top + 1, left + 1] * right
    canvas: NDArray[np.float64] = upper * (1 - down) + lower * down
    return canvas


def to_bytes(canvas: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Grey levels 0 to 255 from [0, 1], clipped and rounded."""
    return np.rint(np.clip(canvas, 0.0, 1.0) * 255).astype(np.uint8)
