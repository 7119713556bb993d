"""Whether a sound file is complete: WAV and Ogg, of which libsndfile silently reads truncated files.

FLAC declares its number of samples, and libsndfile checks it; MP3 is read in `mpeg`.
"""

import struct
from collections.abc import Iterator

_STREAMED = 0x7FFFF000
"""Sizes from here on mean "not known": a writer that cannot go back leaves the largest number, or about half of it."""

_END_OF_STREAM, _BEGINNING_OF_STREAM = 4, 2


def require_whole_ogg(content: bytes) -> None:
    """Raise ValueError if a page is cut off, a stream has no last page (RFC 3533), or there are several streams."""
    place, num_streams, pending = 0, 0, set()
    while content[place : place + 4] == b"OggS" and place + 27 <= len(content):
        kind, serial = content[place + 5], content[place + 14 : place + 18]
        num_segments = content[place + 26]
        body = place + 27 + num_segments
        place = body + sum(content[place + 27 : body])
        num_streams += bool(kind & _BEGINNING_OF_STREAM)
        pending.add(serial)
        if kind & _END_OF_STREAM:
            pending.discard(serial)
    if place == 0 or place > len(content) or pending:
        raise ValueError("a stream has no end")
    if num_streams != 1:
        raise ValueError("there are several streams")


def sized_wav(content: bytes) -> bytes:
    """The same WAV file; if it was written as a stream, with the real size of its sound, up to the end of the file.

    Raises:
        ValueError: the file is shorter than its sound, or a stream ends within a sample.

    """
    order = ">" if content[:4] == b"RIFX" else "<"
    (whole,) = struct.unpack(f"{order}I", content[4:8])
    block, long_size = 1, None
    for kind, start, size in _chunks(content, order):
        if kind == b"ds64":
            (long_size,) = struct.unpack("<Q", content[start + 8 : start + 16])
        elif kind == b"fmt ":
            (block,) = struct.unpack(f"{order}H", content[start + 12 : start + 14])
        elif kind == b"data":
            size = long_size if long_size and size == 0xFFFFFFFF else size
            if size >= _STREAMED or (size == 0 and (whole == 0 or whole >= _STREAMED)):
                return _with_size(content, start, block, order)
            if start + size > len(content):
                raise ValueError("the sound ends early")
            return content
    raise ValueError("the file has no sound")


def _chunks(content: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of each; a chunk of odd size is followed by one byte more."""
    place = 12
    while place + 8 <= len(content):
        (size,) = struct.unpack(f"{order}I", content[place + 4 : place + 8])
        yield content[place : place + 4], place + 8, size
        place += 8 + size + size % 2


def _with_size(content: bytes, start: int, block: int, order: str) -> bytes:
    size = len(content) - start
    if block and size % block:
        raise ValueError("the stream ends within a sample")
    sizes = struct.pack(f"{order}I", len(content) - 8), struct.pack(f"{order}I", size)
    return content[:4] + sizes[0] + content[8 : start - 4] + sizes[1] + content[start:]
