"""The embedded image data: handwritten digits, turned, scaled, shifted and cluttered, in ImageNet's layout of class folders.

Shape suffixes: N pictures, H height, W width.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from m2pt.config import EmbeddedData
from m2pt.modalities.embedded.digits import base_digits, place, to_bytes
from m2pt.modalities.embedded.sizes import NUM_CLASSES, split_sizes
from m2pt.modalities.embedded.synthesis import balanced_labels, generator, write_lines

VERSION = 1
"""Increase this with every change that alters a file."""

SIZE = 16
ANGLE = 0.18  # radians, to either side
SCALE = (1.35, 1.7)  # canvas pixels per pixel of the 8 × 8 digit
SHEAR = 0.15
SHIFT = 1.0  # pixels from the middle, along each axis
CONTRAST = (0.7, 1.0)
CLUTTER_SIDE = 4  # a fragment of another digit, in pixels of the 8 × 8 digit
CLUTTER_DISTANCE = (6.0, 7.5)  # pixels of the fragment's middle from the canvas's middle, along one axis
NOISE = 0.04

SOURCE = [
    "Handwritten digits on 16 x 16 pixels: turned, scaled, sheared and shifted, with a fragment of another digit and noise.",
    "Made from scikit-learn's copy of the UCI set 'Optical Recognition of Handwritten Digits' (E. Alpaydin, C. Kaynak, 1998;",
    "https://doi.org/10.24432/C50P49), which its authors license under CC BY 4.0.",
    "Layout: <split>/<class>/<id>.png. The splits pretrain and train share base digits; val and test share none with any other.",
]


def write(folder: Path, sizes: EmbeddedData) -> None:
    """Write the complete data set below `folder`, which must be empty or missing.

    Raises:
        UserError: scikit-learn is not installed, or a size is too small for ten classes.

    """
    for split, count in split_sizes(sizes).items():
        rng = generator(sizes, "image", split)
        labels = balanced_labels(count, rng)
        pictures = _draw(base_digits(sizes.seed, "image", split), labels, rng)
        for label in range(NUM_CLASSES):
            (folder / split / str(label)).mkdir(parents=True)
        for index, (label, picture) in enumerate(zip(labels, pictures, strict=True)):
            # Stored, not compressed: compressors choose by processor, and noise does not shrink.
            Image.fromarray(picture).save(folder / split / str(label) / f"{split}_{index:05d}.png", compress_level=0)
    write_lines(folder / "SOURCE.txt", SOURCE)


def _draw(digits: NDArray[np.float64], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(N, 16, 16) pictures of the labels' digits."""
    count, variants = len(labels), digits.shape[1]
    middle = (SIZE - 1) / 2
    canvas = place(
        digits[labels, rng.integers(variants, size=count)],
        SIZE,
        scale=rng.uniform(*SCALE, size=count),
        angle=rng.uniform(-ANGLE, ANGLE, size=count),
        shear=rng.uniform(-SHEAR, SHEAR, size=count),
        centre_N2=middle + rng.uniform(-SHIFT, SHIFT, size=(count, 2)),
    )
    canvas = np.maximum(canvas, _clutter(digits, labels, rng))
    canvas *= rng.uniform(*CONTRAST, size=(count, 1, 1))
    return to_bytes(canvas + NOISE * rng.standard_normal(canvas.shape))


def _clutter(digits: NDArray[np.float64], labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 16, 16) canvases with a square piece of a digit of another class near the edge."""
    count, variants = len(labels), digits.shape[1]
    others = (labels + rng.integers(1, NUM_CLASSES, size=count)) % NUM_CLASSES
    sources = digits[others, rng.integers(variants, size=count)]
    pieces = np.zeros_like(sources)
    corners = rng.integers(0, sources.shape[1] - CLUTTER_SIDE + 1, size=(count, 2))
    start = (sources.shape[1] - CLUTTER_SIDE) // 2
    for piece, source, (row, column) in zip(pieces, sources, corners, strict=True):
        fragment = source[row : row + CLUTTER_SIDE, column : column + CLUTTER_SIDE]
        piece[start : start + CLUTTER_SIDE, start : start + CLUTTER_SIDE] = fragment
    centre = rng.uniform(-CLUTTER_DISTANCE[1], CLUTTER_DISTANCE[1], size=(count, 2))
    far_axis = rng.integers(2, size=count)
    centre[np.arange(count), far_axis] = rng.uniform(*CLUTTER_DISTANCE, size=count) * rng.choice([-1.0, 1.0], size=count)
    return place(
        pieces,
        SIZE,
        scale=rng.uniform(*SCALE, size=count),
        angle=rng.uniform(-np.pi, np.pi, size=count),
        shear=np.zeros(count),
        centre_N2=(SIZE - 1) / 2 + centre,
    )
