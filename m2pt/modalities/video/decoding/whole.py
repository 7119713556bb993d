"""Whether a video file is complete, judged by the outermost boxes of its container; FFmpeg silently reads truncated files."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SEGMENT = 0x18538067  # Matroska's element that holds all others (RFC 9559, 5.1)


class EndlessError(Exception):
    """A container, or a file of it, that does not say where it ends."""


def _require_mp4(file: BinaryIO, end: int) -> None:
    """Boxes follow one another (ISO/IEC 14496-12, 4.2). Only an index behind fragments shows that none of them is lost.

    With an index in front of them (`sidx`) FFmpeg does not find its way back to the beginning.
    """
    start, kinds = 0, set()
    while start < end:
        file.seek(start)
        header = file.read(16).ljust(16, b"\0")
        # Sizes beyond 32 bits follow the type, announced by 1; 0 means "to the end of the file".
        size = int.from_bytes(header[8:16] if header[:4] == b"\0\0\0\1" else header[:4], "big")
        if size == 0 and header[4:8].strip(b"\0"):
            return
        if size < 8 or start + size > end:
            raise ValueError("the file is truncated")
        kinds.add(header[4:8])
        start += size
    if b"moof" in kinds and (b"mfra" not in kinds or b"sidx" in kinds):
        raise EndlessError


def _require_matroska(file: BinaryIO, end: int) -> None:
    """Elements follow one another, each with its size (RFC 8794), which a writer that cannot go back leaves open."""
    start = 0
    while start < end:
        file.seek(start)
        name, name_bytes, _ = _number(file, keep_length=True)
        size, size_bytes, unknown = _number(file, keep_length=False)
        if unknown:
            raise EndlessError
        start += name_bytes + size_bytes + size
        if start > end:
            raise ValueError("the file is truncated")
        if name == _SEGMENT:
            return
    raise ValueError("the file has no segment")


def _number(file: BinaryIO, *, keep_length: bool) -> tuple[int, int, bool]:
    """A number of variable length, the bytes that it takes, and whether it means "unknown" (all its bits are set)."""
    first = file.read(1)
    if not first or not first[0]:
        raise ValueError("the file is truncated or damaged")
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1), "big")
    bits = value & ((1 << 7 * length) - 1)
    return value if keep_length else bits, length, bits == (1 << 7 * length) - 1


def _require_avi(file: BinaryIO, end: int) -> None:
    """One RIFF chunk, or several in files beyond a gigabyte (OpenDML)."""
    start = 0
    while start < end:
        file.seek(start)
        header = file.read(8)
        if header[:4] != b"RIFF":
            return
        size = int.from_bytes(header[4:], "little")
        start += 8 + size
        if size == 0 or start > end:
            raise ValueError("the file is truncated")
        start += size % 2


_CHECKS: dict[str, Callable[[BinaryIO, int], None]] = {"mp4": _require_mp4, "matroska": _require_matroska, "avi": _require_avi}


_NO_VIDEOS = ("image2", "gif", "apng", "tty", "concat", "hls", "dash")
"""FFmpeg's names of pictures, texts and lists, which it would play."""


def require_whole(path: Path, kinds: str) -> None:
    """Check a file of a container; `kinds` are FFmpeg's names for it, with commas.

    Raises:
        ValueError: the file is shorter than it says, or is no video.
        EndlessError: the container, or this file of it, does not say where it ends.

    """
    names = kinds.split(",")
    if any(name in _NO_VIDEOS or name.endswith("_pipe") for name in names):
        raise ValueError("this is a picture, a text or a list of other files")
    check = next((_CHECKS[name] for name in names if name in _CHECKS), None)
    if check is None:
        raise EndlessError
    with path.open("rb") as file:
        check(file, path.stat().st_size)
