"""What can happen to a file: the damages that every kind of file of a study is given in turn."""

from collections.abc import Callable
from pathlib import Path


def truncate(path: Path) -> None:
    """Cut a file in the middle, as a full disk or a lost sector does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    """Leave a name without content, as a power loss before the data were written does."""
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """Turn one bit in the middle over."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def delete(path: Path) -> None:
    """Remove a file."""
    path.unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {"truncated": truncate, "emptied": empty, "flipped": flip, "deleted": delete}
