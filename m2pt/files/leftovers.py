"""What a killed process leaves behind for ever unless somebody looks: half-written files, and markers of leases."""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

OLD_S = 3600.0
"""A file is written within minutes, and the marker of a lease that is held changes every few seconds."""

_KINDS = "json|jsonl|safetensors|npz|pt|txt|html|md|csv|tex|png|svg|pdf|js|css|yaml"
_LEFTOVER = re.compile(rf"\..+\.({_KINDS})\.[a-z0-9_]{{8}}|.*\blease(\.(break|expired)\..*)?|\.seen-[0-9a-f]{{16}}")
"""The names that `write_atomic`, leases and clusters give to files that do not stay; a hidden file of others has none."""


def remove_old(paths: Iterable[Path]) -> None:
    """Remove those of these files that their names show to be left over, and that have not changed for an hour."""
    for path in paths:
        with suppress(OSError):
            if _LEFTOVER.fullmatch(path.name) and time.time() - path.stat().st_mtime > OLD_S and path.is_file():
                path.unlink()
