"""Lists in the common encodings: UTF-8, or UTF-16 with a byte-order mark; any line endings; tables with quotes and spaces."""

import codecs
import csv
import json
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.modalities.shared.listed import require_folder
from m2pt.modalities.shared.missing import advice

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_text(path: Path, remedy: str = "make the data again") -> str:
    """The text of a file, without a byte-order mark; `remedy` is what to do with a file that is not text.

    Raises:
        UserError: it is missing or not text.

    """
    require_folder(path.parent)
    try:
        content = path.read_bytes()
    except OSError as error:
        more = advice(path.parent, path.name) if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"{path}: cannot be read ({error.strerror}); the data set needs this file{more}.") from error
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file in UTF-8; {remedy}.") from error
    if "\0" in text:
        raise UserError(f"{path}: is not a text file in UTF-8 (it holds zeros); {remedy}.")
    return text


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a list that are not empty, stripped, with their numbers from 1 on.

    Raises:
        UserError: it is missing, not text, or empty.

    """
    # Not splitlines: names may contain characters that it treats as the end of a line, such as U+2028.
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    entries = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not entries:
        raise UserError(f"{path}: is empty; it must list at least one entry.")
    return entries


def read_list(path: Path) -> list[str]:
    """The lines of a list without their numbers; raises as `read_lines`."""
    return [line for _, line in read_lines(path)]


def read_rows(path: Path, names: Sequence[str] | None = None) -> list[tuple[int, dict[str, str]]]:
    """The rows of a comma-separated table, with their line numbers; spaces around values are ignored.

    The first line is the heading if no `names` are given.

    Raises:
        UserError: it is missing, not text, or has a row with more or fewer values than the heading.

    """
    lines, rows = read_lines(path), []
    if names is None:
        names, lines = _values(lines[0][1]), lines[1:]
    for number, line in lines:
        values = _values(line)
        if len(values) != len(names):
            raise UserError(f"{path}: line {number} has {len(values)} values under a heading of {len(names)}; restore the file.")
        rows.append((number, dict(zip(names, values, strict=True))))
    return rows


def _values(line: str) -> list[str]:
    return [value.strip() for value in next(csv.reader([line], skipinitialspace=True))]


def read_document(path: Path) -> Any:
    """The content of a JSON file that lists something.

    Raises:
        UserError: it is missing or not JSON.

    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid JSON; restore the file.") from error


def require_unique(names: Iterable[str], listed_in: Path) -> None:
    """Refuse a list that names a file twice: it would count twice.

    Raises:
        UserError: naming the first such entry.

    """
    seen: set[str] = set()
    for name in names:
        path = posixpath.normpath(name) if "." in name[:2] or "/." in name or "//" in name else name
        if path in seen:
            raise UserError(f"{listed_in}: names {name!r} twice; remove one of the entries.")
        seen.add(path)
