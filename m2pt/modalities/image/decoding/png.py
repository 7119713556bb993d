"""Whether the picture of a PNG file is complete. If a compressed stream with a valid end lacks rows, Pillow leaves them black."""

import zlib
from collections.abc import Iterator

_SIGNATURE = 8
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7 (PNG specification, section 8.2): first column and row, steps across and down of each pass."""


def require_every_row(content: bytes) -> None:
    """Raise ValueError where the file's data are fewer bytes than its rows need; also `zlib.error`, `LookupError`."""
    needed, stream, size = 0, zlib.decompressobj(), 0
    for kind, body in _chunks(content):
        if kind == b"IHDR":
            needed = _num_bytes(body)
        elif kind == b"IDAT":
            size += len(stream.decompress(body))
    if size + len(stream.flush()) < needed:
        raise ValueError("rows are missing")


def grey_step(content: bytes) -> int:
    """The factor by which Pillow multiplies the values of a greyscale file with fewer than 8 bits each; 1 for all other files."""
    bits, kind = content[_SIGNATURE + 16 : _SIGNATURE + 18]
    return 255 // ((1 << bits) - 1) if kind == 0 and bits < 8 else 1


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = _SIGNATURE
    while place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        place += size + 12


def _num_bytes(header: bytes) -> int:
    """Of all rows, each with a byte for its filter in front."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _CHANNELS[header[9]]
    total = 0
    for left, top, across, down in _PASSES if header[12] else ((0, 0, 1, 1),):
        columns, rows = max(0, -(-(width - left) // across)), max(0, -(-(height - top) // down))
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total
