"""Where the pictures of a WebDataset shard lie in its file, so that any of them can be read without its neighbours.

A shard is a plain tar file whose members share a key up to the first dot of their file name: `<key>.jpg` (or another picture) and
`<key>.cls`, the class as a number in text, or `<key>.json` with that number under `label` or `cls`. Shape suffixes: N pictures.
"""

import json
import re
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from m2pt.config import UserError

PICTURES = ("jpg", "jpeg", "png", "webp")
LABEL_KEYS = ("label", "cls")

_BLOCK = 512

V = TypeVar("V")


@dataclass(frozen=True)
class Shard:
    """The pictures of one shard in their order: names of members, first byte, size in bytes, class."""

    path: Path
    names_N: NDArray[np.bytes_]
    offsets_N: NDArray[np.int64]
    sizes_N: NDArray[np.int64]
    labels_N: NDArray[np.int64]


def index_shard(path: Path) -> Shard:
    """Index one shard by its members' headers; kept in memory for as long as the file stays as it is.

    Raises:
        UserError: it is no plain tar file, is cut short, or holds a picture without a label, a label without a picture, a key
            twice or a label that is no number: naming shard and member.

    """
    try:
        facts = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the shard.") from error
    return _index(path, facts.st_size, facts.st_mtime_ns)


@cache
def _index(path: Path, size: int, changed: int) -> Shard:
    del size, changed  # they tell one state of the file from another
    pictures, labels = _members(path)
    for key in pictures.keys() ^ labels.keys():
        has, lacks = ("picture", "label (.cls, or .json)") if key in pictures else ("label", "picture")
        raise UserError(f"{path}, member {key}: has a {has} but no {lacks}; make the shard again.")
    if not pictures:
        raise UserError(f"{path}: holds no pictures ({', '.join('.' + suffix for suffix in PICTURES)}); remove the shard.")
    return Shard(
        path,
        np.asarray([name.encode("utf-8", "surrogateescape") for name, _, _ in pictures.values()], dtype=np.bytes_),
        np.asarray([offset for _, offset, _ in pictures.values()], dtype=np.int64),
        np.asarray([length for _, _, length in pictures.values()], dtype=np.int64),
        np.asarray([labels[key] for key in pictures], dtype=np.int64),
    )


def _members(path: Path) -> tuple[dict[str, tuple[str, int, int]], dict[str, int]]:
    """Name, first byte and size of every picture, and every label, by key."""
    pictures: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    told: dict[str, int] = {}  # by .json, which counts where there is no .cls
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, suffix = _split(member.name)
                if not member.isfile() or key is None:
                    continue
                if suffix in PICTURES:
                    _enter(pictures, key, (member.name, member.offset_data, member.size), path)
                elif suffix in ("cls", "json"):
                    stream = archive.extractfile(member)
                    content = b"" if stream is None else stream.read()
                    if suffix == "cls":
                        _enter(labels, key, _number(content, f"{path}, member {member.name}"), path)
                    elif (label := _json_label(content)) is not None:
                        _enter(told, key, label, path)
            end = archive.offset
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{path}: is no whole, uncompressed tar file; restore or unpack the shard.") from error
    _require_end(path, end)
    return pictures, {key: label for key, label in told.items() if key in pictures} | labels


def _require_end(path: Path, end: int) -> None:
    """A damaged header, or an end at the edge of a member, passes for the end of the archive: it must be marked by zeros."""
    with path.open("rb") as file:
        file.seek(end)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise UserError(f"{path}: is cut short or damaged at byte {end}; restore the shard.")


def _split(name: str) -> tuple[str | None, str]:
    """Key and suffix of a member; no key for dotfiles and names without suffix."""
    home, _, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return (f"{home}/{stem}" if home else stem) if stem and dot else None, suffix.lower()


def _enter(table: dict[str, V], key: str, value: V, path: Path) -> None:
    if key in table:
        raise UserError(f"{path}, member {key}: comes twice; make the shard again.")
    table[key] = value


def _number(content: bytes, source: str) -> int:
    text = content.decode("ascii", "replace").strip()
    if not re.fullmatch(r"\d{1,9}", text):
        raise UserError(f"{source}: holds {text[:20]!r} where the number of a class is expected; make the shard again.")
    return int(text)


def _json_label(content: bytes) -> int | None:
    """The class in a member `.json`; None where it holds none (it may tell of other things)."""
    try:
        facts = json.loads(content)
    except ValueError:
        return None
    values = [facts[key] for key in LABEL_KEYS if key in facts] if isinstance(facts, dict) else []
    return next((value for value in values if type(value) is int and value >= 0), None)
