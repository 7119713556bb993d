"""The bytes of an image file to pixels; every reader of images uses this, so that a damaged file always gets the same message.

Pixels and colours are those of torchvision's loader, with which MAE was trained: Pillow's, turned as they are stored (a JPEG's
orientation tag changes nothing). Two things differ: a file that ends early is refused, whatever its last bytes are; and 16-bit
greyscale is scaled to 8 bits where that loader cuts it at 255.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from m2pt.config import UserError
from m2pt.modalities.image.decoding.jpeg import otherwise_ended, probes
from m2pt.modalities.image.decoding.png import require_every_row

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""Pillow's names for the formats of the suffixes. A file is read by its content, whichever suffix it has."""

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"

# What Pillow's decoders raise on damaged content.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, LookupError, ArithmeticError, TypeError, EOFError),
    *(struct.error, zlib.error),
)


def decode(content: bytes, source: Path | str) -> Image.Image:
    """The picture in the content of a file, decoded to its end, in its own colours; `source` names it in errors.

    Raises:
        UserError: it is not a complete image.

    """
    try:
        if content.startswith(_PNG_START) and _PNG_END not in content:
            raise ValueError("the file is truncated")
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            picture.verify()  # all checksums, which decoding alone does not look at
        picture = _loaded(content)
        if picture.format == "PNG":
            require_every_row(content)
        elif picture.format in ("JPEG", "MPO"):
            _require_whole_jpeg(picture, content)
    except Image.DecompressionBombError as error:
        raise UserError(f"{source}: has more pixels than are decoded ({error}); scale it down or remove it.") from error
    except _DAMAGE as error:
        raise UserError(
            f"{source}: is not a complete image (truncated, damaged or of another format); restore the file."
        ) from error
    return picture


def _loaded(content: bytes) -> ImageFile.ImageFile:
    picture = Image.open(io.BytesIO(content), formats=FORMATS)
    picture.load()
    return picture


def _require_whole_jpeg(picture: Image.Image, content: bytes) -> None:
    if (other := otherwise_ended(content)) is not None:
        _require_equal(picture, _loaded(other))
    pixels = picture.tobytes()
    for probe in probes(content):
        _require_equal(picture, _loaded(probe.behind))
        if pixels == _loaded(probe.end).tobytes() and pixels != _loaded(probe.beginning).tobytes():
            raise ValueError("the picture does not depend on the end of its data: a part of them is lost")


def _require_equal(picture: Image.Image, other: Image.Image) -> None:
    if picture.tobytes() != other.tobytes():
        raise ValueError("the picture depends on what comes after it: it ends early")


def read_picture(path: Path) -> Image.Image:
    """The picture in a file.

    Raises:
        UserError: the file is missing or cannot be read, or is not a complete image.

    """
    return decode(read_content(path), path)


def read_content(path: Path, start: int = 0, size: int = -1) -> bytes:
    """`size` bytes of a file from `start` on (all by default).

    Raises:
        UserError: the file is missing, cannot be read, or ends before.

    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the file.") from error
    if size >= 0 and len(content) < size:
        raise UserError(f"{path}: ends before byte {start + size}, though it was longer when it was listed; restore the file.")
    return content


def coloured(picture: Image.Image, channels: int) -> Image.Image:
    """The picture in greyscale (1 channel) or colour (3), whatever it is stored as."""
    if picture.mode.startswith("I;16"):
        # Pillow would cut 16-bit values at 255 instead of scaling them.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    mode = "L" if channels == 1 else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)
