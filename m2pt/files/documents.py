"""Files that are complete or absent, and JSON: how everything that m2pt keeps is written and read."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from m2pt.config import UserError
from m2pt.config.faults import faults_of
from m2pt.files.access import unwritable
from m2pt.files.leases import Lease, fenced, require_leases

M = TypeVar("M", bound=BaseModel)

_SEAL = "seal"

_MOST_FAULTS = 8
"""Faults of a file that nobody wrote by hand."""


def write_atomic(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is either complete or absent, even if the disk is full or the process is killed.

    Without `durable`, a power loss soon afterwards may damage it: only for files whose reader notices that and can do without.

    Raises:
        LeaseLostError: a lease that fences this context (`written_under`) was lost; the file is as it was.
        UserError: the file cannot be written (no space, no permission); the path and the system's reason are named.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            require_leases()
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        require_leases()  # the next holder may have removed what was to be renamed
        raise unwritable(path, error) from error


def half_written(files: Collection[Path]) -> Iterator[Path]:
    """What `write_atomic` has left of these files where it was killed, or has not renamed yet."""
    for folder in {path.parent for path in files}:
        names = "|".join(re.escape(path.name) for path in files if path.parent == folder)
        temporary = re.compile(rf"\.({names})\.[a-z0-9_]{{8}}")
        with suppress(FileNotFoundError, NotADirectoryError):
            yield from [path for path in folder.iterdir() if temporary.fullmatch(path.name)]


@contextmanager
def written_under(lease: Lease, files: Collection[Path]) -> Iterator[None]:
    """Write these files only as long as a lease is held: what earlier holders had not renamed yet is removed first.

    While the context is open, no file is written any more once the lease is lost (`m2pt.files.leases` says why that is enough).
    """
    for path in half_written(files):
        path.unlink(missing_ok=True)
    with fenced(lease):
        yield


def write_json(path: Path, value: Any) -> None:
    """Write plain data as readable JSON with sorted keys, by `write_atomic`."""
    write_atomic(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Plain data as `write_json` writes them."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def remember_json(path: Path, value: Mapping[str, Any]) -> None:
    """As `write_json`, for what only saves time later: a folder that cannot be written to is no fault.

    The file has a seal over itself and its name, because numbers follow from what is remembered of data.
    """
    with suppress(UserError):
        write_json(path, {**value, _SEAL: _seal(path, value)})


def recalled_json(path: Path) -> dict[str, Any] | None:
    """What `remember_json` wrote; None if there is nothing, or it is damaged and therefore forgotten."""
    try:
        value = read_json(path)
        seal = value.pop(_SEAL, None)  # older code wrote none
        return value if seal in (None, _seal(path, value)) else None
    except (UserError, ValueError):
        return None


def _seal(path: Path, value: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{path.name}\n".encode() + json_bytes(value)).hexdigest()


def read_json(path: Path, remedy: str = "delete it") -> dict[str, Any]:
    """Read a JSON file that holds one object. `remedy` says what its reader has to do where it is damaged.

    Raises:
        UserError: it is missing, unreadable, or not a JSON object.

    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid JSON ({error}); {remedy}.") from error
    if not isinstance(document, dict):
        raise UserError(f"{path}: holds no JSON object; {remedy}.")
    return document


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises `UserError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


def read_model(path: Path, model: type[M], remedy: str = "delete it") -> M:
    """Read a JSON file as a declared type. `remedy` says what its reader has to do where it is damaged.

    Raises:
        UserError: it is missing, unreadable, not JSON, or not of this type; the file and the key are named.

    """
    return model_of(read_bytes(path), path, model, remedy)


def model_of(content: bytes, path: Path, model: type[M], remedy: str) -> M:
    """The content of a JSON file, which was read already, as `read_model` reads it."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        faults = faults_of(error, model)
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        fault = f"is damaged, or was not written by this version of m2pt ({'; '.join(faults[:_MOST_FAULTS])}{more})"
        raise UserError(f"{path}: {fault}; {remedy}.") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line that is still being written is left out, a missing file is empty.

    Raises:
        UserError: a line is not a JSON object; the file and the line are named.

    """
    return lines_of(read_bytes(path), path) if path.is_file() else []


def lines_of(content: bytes, path: Path) -> list[dict[str, Any]]:
    """The content of a JSON-lines file, which was read already, as `read_lines` reads it."""
    lines = content.split(b"\n")[:-1]
    return [_object(line, path, number) for number, line in enumerate(lines, 1) if line]


def _object(line: bytes, path: Path, number: int) -> dict[str, Any]:
    with suppress(ValueError):
        value = from_json(line)
        if isinstance(value, dict):
            return value
    raise UserError(f"{path}: line {number} is not a JSON object, so the file is damaged; delete the run's folder and run again.")
