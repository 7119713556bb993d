"""Converts pictures of any size and colour to the form of a config, for images and for video frames."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def fit(picture: Image.Image, size: int, channels: int) -> NDArray[np.uint8]:
    """The picture as (C, size, size) bytes: greyscale or colour, shorter side resized (bicubic), centre cut out.

    A picture that already has this form is unchanged.
    """
    if picture.mode.startswith("I;16"):
        # Pillow would cut 16-bit values at 255 instead of scaling them.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    mode = "L" if channels == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    if picture.size != (size, size):
        short = min(picture.size)
        wide, high = (max(size, round(side * size / short)) for side in picture.size)
        left, top = (wide - size) // 2, (high - size) // 2
        picture = picture.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
