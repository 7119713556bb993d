"""Decodes splits of small data before runs ask for them: `python -m m2pt.data.ahead`.

It reads a split as JSON from each line of its standard input, decodes it into the cache, and ends with that input, or within a
second when its parent dies. It tells no fault of the data: the run that reads them does.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from m2pt.config import Modality, UserError


@dataclass(frozen=True)
class Split:
    """A split to decode: the arguments of `m2pt.data.decoded.load` as plain data."""

    modality: Modality
    folder: str
    split: str
    input: str
    """The input section as JSON."""
    data_sha256: str
    cache: str

    def line(self) -> bytes:
        """The line by which a process is told to decode it."""
        return json.dumps(asdict(self)).encode() + b"\n"


def decode(wanted: Split) -> None:
    """Decode a split into the cache, unless it is there. Raises as `m2pt.data.decoded.load`."""
    from m2pt.data import decoded  # with torch, which whoever writes the lines does without
    from m2pt.modalities.registry import SPECS

    config = SPECS[wanted.modality].section.model_validate_json(wanted.input)
    decoded.load(wanted.modality, Path(wanted.folder), wanted.split, config, wanted.data_sha256, Path(wanted.cache))


def main() -> None:
    """Decode what the lines of standard input name, on cores that nobody else wants."""
    os.nice(10)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    for line in sys.stdin:
        with suppress(UserError):
            decode(Split(**json.loads(line)))


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # at any point: the cache is written so that this process may be killed


if __name__ == "__main__":
    main()
