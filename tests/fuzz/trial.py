"""One file given to a reader: what is a proper answer."""

import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from m2pt.config import UserError
from tests.fuzz.readers import Reader

SECONDS, MEMORY_BYTES = 5.0, 2 * 2**30
"""Processor seconds: those of the clock on the wall are also other processes'."""
WAIT_S = 60.0
"""By the clock on the wall, for a reader that waits."""
_LONGEST = 20_000
_FOREIGN = re.compile(r"Traceback|object at 0x|\bErrno\b|^unexpected|pydantic|^[A-Z]\w*Error\b")
"""What no sentence of ours says."""


class Improper(AssertionError):
    """An answer that is none of ours."""


@dataclass(frozen=True)
class Answer:
    """`refused` says whether it ended in a sentence; it took so many processor seconds."""

    refused: bool
    seconds: float


def answer(reader: Reader, content: bytes) -> Answer:
    """Read a file of this content.

    Raises:
        Improper: the sentence is not one that we would write, or it took too long.
        Exception: what the reader raised that is not for users.

    """
    began, waited, refused = time.process_time(), time.perf_counter(), False
    try:
        reader.read(content)
    except UserError as error:
        refused = True
        _require_sentence(str(error))
    if (seconds := time.process_time() - began) > SECONDS:
        raise Improper(f"it took {seconds:.1f} s of a processor")
    if (wait := time.perf_counter() - waited) > WAIT_S:
        raise Improper(f"it took {wait:.0f} s")
    return Answer(refused, seconds)


def _require_sentence(said: str) -> None:
    strange = [character for character in said if not character.isprintable() and character != "\n"]
    if strange or not said.endswith((".", "?")) or len(said) > _LONGEST or _FOREIGN.search(said):
        raise Improper(f"it said {said[:500]!r} ({len(said)} characters)")


def limit_memory() -> None:
    """Let this process have two gigabytes more than it has now."""
    data_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    limit = data_pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
