"""The container format of a file, recognised by its content, whatever its name and its first byte."""

import json
import math
import pickletools
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from m2pt.config import UserError
from m2pt.files.access import unreadable

Container = Literal["safetensors", "zip", "legacy"]
"""safetensors; PyTorch's zip archive of a pickle and its tensors; PyTorch's files before 1.6, pickles one after the other."""

UNPICKLE = "if you trust the file, convert it: `torch.save(pickle.load(open(FILE, 'rb')), NEW_FILE)`"

_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_SHOWN = 64  # bytes at a file's start that identify it
_CHUNK = 1 << 22  # bytes of an archive that are checked at a time
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of PyTorch before 1.6


def container_of(file: Path) -> Container:
    """The container of a file of weights.

    A safetensors file starts with the length of its header and the header's opening brace, which neither a zip archive nor a
    pickle can have in that position. The length may be any bytes, even those that start a pickle or a zip archive.

    Raises:
        UserError: it is none of these, is cut off, or cannot be read.

    """
    try:
        with file.open("rb") as stream:
            start = stream.read(_SHOWN)
    except OSError as error:
        raise unreadable(file, error) from error
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{file}: is a pointer of Git LFS instead of the weights; fetch them with `git lfs pull`.")
    if len(start) > _LENGTH.size and start[_LENGTH.size :][:1] == b"{" and _LENGTH.unpack_from(start)[0] <= _LONGEST_HEADER:
        _check_header(file, _LENGTH.unpack_from(start)[0])
        return "safetensors"
    if start.startswith(_ZIP):
        _check_zip(file)
        return "zip"
    if start.startswith(_PICKLE):
        _check_legacy(file)
        return "legacy"
    raise UserError(f"{file}: is not a file of weights (neither safetensors nor PyTorch's format); fetch it again.")


def _check_header(file: Path, length: int) -> None:
    """Refuse a header that is not complete JSON, or whose tensors do not exactly fill the rest of the file."""
    fault = None
    with file.open("rb") as stream:
        stream.seek(_LENGTH.size)
        content = stream.read(length)
    room = file.stat().st_size - _LENGTH.size - length
    if room < 0:
        fault = "its header is cut off"
    else:
        try:
            entries = {name: entry for name, entry in json.loads(content).items() if name != "__metadata__"}
            ends = [int(entry["data_offsets"][1]) for entry in entries.values()]
            if max(ends, default=0) != room or any(math.prod(entry["shape"]) < 0 for entry in entries.values()):
                fault = f"it has {room} bytes of tensors instead of {max(ends, default=0)}"
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            fault = "its header is damaged"
    if fault:
        raise UserError(f"{file}: is not a complete safetensors file ({fault}); fetch it again.")


def _check_zip(file: Path) -> None:
    try:
        if not zipfile.is_zipfile(file):  # which raises for some ends
            raise UserError(f"{file}: is cut off (the end of PyTorch's format is missing); fetch it again.")
        with zipfile.ZipFile(file) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
            damaged = _damaged(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(f"{file}: is damaged (its list of entries cannot be read); fetch it again.") from error
    if damaged:
        raise UserError(f"{file}: is damaged ({damaged} does not match the archive's checksum); fetch it again.")
    if "constants.pkl" in names:
        raise UserError(
            f"{file}: is a TorchScript program; if you trust it, save only its weights: "
            "`torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)`."
        )
    if "data.pkl" not in names:
        raise UserError(f"{file}: is a zip archive, but not one of PyTorch's; unpack it and name the file of weights in it.")


def _damaged(archive: zipfile.ZipFile) -> str | None:
    """The first entry whose checksum differs from the recorded one, which torch.load does not check; 0 means none is recorded."""
    for entry in archive.infolist():
        try:
            with archive.open(entry) as stream:
                while entry.CRC and stream.read(_CHUNK):
                    pass
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, zlib.error):
            return entry.filename
    return None


def _check_legacy(file: Path) -> None:
    """PyTorch's own files before 1.6 start with a pickle of one known number; other pickles may be anything."""
    with file.open("rb") as stream:
        try:
            first = next(
                (value for _, value, _ in pickletools.genops(stream) if isinstance(value, int) and value > _PICKLE[0]), 0
            )
        except ValueError:
            first = 0
    if first != _MAGIC:
        raise UserError(f"{file}: is a bare pickle, which m2pt does not open, or damaged; fetch it again, or {UNPICKLE}.")
