"""What a record vouches for: the SHA-256 of every file that a run keeps, and of the record itself.

The seal is over the bytes of the file, so that one changed bit anywhere in it shows. Whoever edits a file by hand can compute a
seal too: it guards against damage and haste, not against forgery.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from m2pt.config import UserError
from m2pt.files.access import unreadable
from m2pt.runs.folder import ENCODER, KEPT, MERGED, RECORD, SPEC, anew

WEIGHTS = (MERGED, ENCODER)
"""The kept files whose digest is known from when they were written; they may be large."""

_EMPTY = b'"seal": ""'
_SEAL = re.compile(rb'"seal": "([0-9a-f]{64})"')


def sealed(content: bytes) -> bytes:
    """A record's file with its seal in the place of the empty one."""
    return content.replace(_EMPTY, b'"seal": "%s"' % hashlib.sha256(content).hexdigest().encode())


def is_sealed(content: bytes) -> bool:
    """Whether a record's file is, to the last bit, as `sealed` made it."""
    seals = _SEAL.findall(content)
    return len(seals) == 1 and hashlib.sha256(content.replace(seals[0], b"", 1)).hexdigest().encode() == seals[0]


def digests(run_dir: Path) -> dict[str, str]:
    """SHA-256 of each kept file of a run, without the weights; the files are on the disk for good when this returns.

    Raises:
        UserError: one cannot be read.

    """
    names = [name for name in KEPT if name not in WEIGHTS and (run_dir / name).is_file()]
    return {name: _kept_for_good(run_dir / name) for name in names}


def _kept_for_good(path: Path) -> str:
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # a history is only appended to, and a record must not outlive it
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def read_kept(run_dir: Path, name: str, files: Mapping[str, str]) -> bytes:
    """The content of a file that a complete run keeps. `files` are the digests of its record; older ones do not speak of all.

    Raises:
        UserError: it cannot be read, or is not the file that the record speaks of.

    """
    path = run_dir / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {anew(run_dir)}.") from error
    if (name in files or SPEC in files) and hashlib.sha256(content).hexdigest() != files.get(name):
        raise UserError(f"{path}: is not the file that {RECORD} speaks of; {anew(run_dir)}.")
    return content
