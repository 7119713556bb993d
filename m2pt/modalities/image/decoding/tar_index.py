"""Where the pictures of a WebDataset shard are in its file, so that any of them can be read without its neighbours.

A shard is a plain tar file. By the format's own rule, the members whose names are the same up to the first dot of the file name
(folders belong to it) are one sample, and what follows that dot names the part: `<key>.jpg` (or another picture) and `<key>.cls`,
the class as a number in text, or `<key>.json` with that number under `label` or `cls`. So `a.1.jpg` is no picture of its own but
a part `1.jpg` of the sample `a`. Other parts are passed over, as are names without a dot or that begin with one,
and `__names__` of archives' own notes. Shape suffixes: N pictures.
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
from m2pt.files.state import FileState, settled

PICTURES = ("jpg", "jpeg", "png", "webp")
LABEL_KEYS = ("label", "cls")

_BLOCK = 512
_MOST_CLASSES = 10**9

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
        UserError: it is not a plain tar file, is cut short, or holds a picture without a label, a label without a picture, a key
            twice, a label that is no number, two labels that differ, or other members without both: naming shard and member.

    """
    try:
        state = settled(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the shard.") from error
    return _index(path, state)


@cache
def _index(path: Path, state: FileState) -> Shard:
    del state  # part of the cache key: the content of the file
    pictures, labels, others = _members(path)
    if not pictures and not labels:
        raise UserError(f"{path}: holds no pictures ({', '.join('.' + suffix for suffix in PICTURES)}); make the shard again.")
    for key in sorted(pictures.keys() ^ labels.keys()):
        has, lacks = ("picture", "label (.cls, or .json)") if key in pictures else ("label", "picture")
        raise UserError(f"{path}, member {key}: has a {has} but no {lacks}; make the shard again{_rule(others.get(key))}.")
    for key in sorted(others.keys() - pictures.keys()):
        raise UserError(
            f"{path}, member {others[key]}: belongs to no picture with a label; make the shard again{_rule(others[key])}."
        )
    return Shard(
        path,
        np.asarray([name.encode("utf-8", "surrogateescape") for name, _, _ in pictures.values()], dtype=np.bytes_),
        np.asarray([offset for _, offset, _ in pictures.values()], dtype=np.int64),
        np.asarray([length for _, _, length in pictures.values()], dtype=np.int64),
        np.asarray([labels[key] for key in pictures], dtype=np.int64),
    )


def _rule(other: str | None) -> str:
    """What is to be known where a name has several dots."""
    if other is None or _split(other)[1].count(".") == 0:
        return ""
    key, part = _split(other)
    return f" ({other} is the part {part!r} of the sample {key!r}: a sample's name ends at the first dot)"


def _members(path: Path) -> tuple[dict[str, tuple[str, int, int]], dict[str, int], dict[str, str]]:
    """Name, first byte and size of every picture, every label, and the name of a member that is neither, by key."""
    pictures: dict[str, tuple[str, int, int]] = {}
    labels: dict[str, int] = {}
    from_json: dict[str, int] = {}
    others: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, suffix = _split(member.name)
                if member.isdir() or key is None:
                    continue
                if not member.isfile() or member.sparse is not None:
                    raise UserError(f"{path}, member {member.name}: is a link or has gaps; make the shard of whole plain files.")
                if suffix in PICTURES:
                    _enter(pictures, key, (member.name, member.offset_data, member.size), path)
                elif suffix in ("cls", "json"):
                    stream = archive.extractfile(member)
                    content = b"" if stream is None else stream.read()
                    if suffix == "cls":
                        _enter(labels, key, _number(content, f"{path}, member {member.name}"), path)
                    elif (label := _json_label(content, f"{path}, member {member.name}")) is not None:
                        _enter(from_json, key, label, path)
                    else:
                        others[key] = member.name
                else:
                    others[key] = member.name
            end = archive.offset
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{path}: is not a complete, uncompressed tar file; restore or unpack the shard.") from error
    _require_end(path, end)
    for key in labels.keys() & from_json.keys():
        if labels[key] != from_json[key]:
            raise UserError(
                f"{path}, member {key}: is of class {labels[key]} by .cls, of {from_json[key]} by .json; remove one of them."
            )
    return pictures, from_json | labels, others


def _require_end(path: Path, end: int) -> None:
    """A damaged header, or an end at the edge of a member, passes for the end of the archive: it must be marked by zeros."""
    with path.open("rb") as file:
        file.seek(end)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise UserError(f"{path}: is cut short or damaged at byte {end}; restore the shard.")


def _split(name: str) -> tuple[str | None, str]:
    """Key and part (in lower case) of a member; no key for names without a dot or that begin with one, and for `__names__`."""
    home, _, last = name.rpartition("/")
    stem, dot, part = last.partition(".")
    if not stem or not dot or (not home and name.startswith("__") and name.endswith("__")):
        return None, ""
    return f"{home}/{stem}" if home else stem, part.lower()


def _enter(table: dict[str, V], key: str, value: V, path: Path) -> None:
    if key in table:
        raise UserError(f"{path}, member {key}: comes twice; make the shard again.")
    table[key] = value


def _number(content: bytes, source: str) -> int:
    text = content.decode("ascii", "replace").strip()
    if not re.fullmatch(r"\d{1,9}", text):  # below _MOST_CLASSES
        raise UserError(f"{source}: holds {text[:20]!r} where the number of a class is expected; make the shard again.")
    return int(text)


def _json_label(content: bytes, source: str) -> int | None:
    """The class in a member `.json`; None where it holds none (it may hold other facts)."""
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError):
        return None
    values = [facts[key] for key in LABEL_KEYS if key in facts] if isinstance(facts, dict) else []
    classes = {value for value in values if type(value) is int and 0 <= value < _MOST_CLASSES}
    if len(classes) > 1:
        raise UserError(f"{source}: names two classes under {' and '.join(LABEL_KEYS)}; remove one of them.")
    return next(iter(classes), None)
