"""Every fault with what it did, as a table: `make test-faults`, or `python -m tests.faults [--kills N] [--only ROW ...]`.

What is done is kept in a file until the code changes, so that an interrupted call goes on where it was; `--afresh` forgets it.
With `--part 1/2` and `--part 2/2`, two calls share the work, each with a file of its own; a call without it sums up both.
Exit code 1 if anything was lost, doubled or different.
"""

import argparse
import hashlib
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults import kills, two
from tests.faults.crashes import Crashes
from tests.faults.project import Harm
from tests.faults.zygote import ROOT

DONE = ROOT / "build" / "faults"
_KILLS = 1000


@dataclass(frozen=True)
class Part:
    """The `index`-th of `count` equal parts of the work, from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def of(cls, words: str) -> "Part":
        """From `I/N`."""
        with suppress(ValueError, TypeError):
            if 1 <= (part := cls(*map(int, words.split("/")))).index <= part.count:
                return part
        raise argparse.ArgumentTypeError(f"{words!r} is no part; write 1/2 for the first of two")

    @property
    def suffix(self) -> str:
        """What tells its file from those of the others."""
        return f"-{self.index}-of-{self.count}" if self.count > 1 else ""

    def has(self, number: int) -> bool:
        """Whether a piece of the work belongs to it."""
        return number % self.count == self.index - 1


class Notes:
    """What was done already with the code as it is."""

    def __init__(self, afresh: bool, part: Part) -> None:
        code = _code()
        self._path = DONE / f"{code}{part.suffix}.jsonl"
        files = list(DONE.glob(f"{code}*.jsonl"))
        for path in files if afresh else ():
            path.unlink()
        lines = [line for path in files if path.is_file() for line in path.read_text().splitlines()]
        self.part = part
        self.harms = {(note["row"], note["name"]): (note["count"], Harm(**note["harm"])) for note in map(json.loads, lines)}

    def add(self, row: str, name: str, count: int, harm: Harm) -> None:
        """Note the harm of an injection, or of several."""
        self.harms[row, name] = count, harm
        DONE.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({"row": row, "name": name, "count": count, "harm": asdict(harm)}) + "\n")
        for sentence in harm.sentences[:3]:
            print(f"  {name}: {sentence}", flush=True)


def _code() -> str:
    files = sorted(path for part in ("m2pt", "pipelines", "tests/faults") for path in (ROOT / part).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def crash(crashes: Crashes, notes: Notes, _: argparse.Namespace) -> None:
    """A kill at every boundary."""
    injections = crashes.injections(crashes.scenarios)
    boundaries = {injection.boundary for injection in injections}
    print(f"{len(boundaries)} boundaries, {len(injections)} injections", flush=True)
    for number, injection in enumerate(injections):
        if not notes.part.has(number):
            continue
        row = f"crash of a {injection.boundary.partition(' ')[0]} at a boundary"
        if (row, str(injection)) not in notes.harms:
            notes.add(row, str(injection), 1, crashes.inject(injection))


def random_kills(crashes: Crashes, notes: Notes, given: argparse.Namespace) -> None:
    """Seeded random kills, shared among the engines."""
    shares = {engine: kills.SHARES[engine] for engine in given.engine}
    for engine, share in shares.items():
        seeds = itertools.count(notes.part.index - 1, notes.part.count)
        left = -(-given.kills * share // sum(shares.values()) // notes.part.count)
        with kills.Lives(crashes, engine) as lives:
            while left > 0:
                left -= _live(lives, notes, f"random kills, {engine}", next(seeds))


def _live(lives: kills.Lives, notes: Notes, row: str, seed: int) -> int:
    """A life, unless it was lived already; returns its kills."""
    name = f"seed {seed}"
    if (row, name) not in notes.harms:
        began = time.monotonic()
        life = lives.live(seed)
        took = f"{life.moments} moments in {time.monotonic() - began:.0f} s"
        print(f"{row}, {name}: {dict(life.kinds)}, {took}", flush=True)
        for kind, count in life.kinds.items():
            notes.add(row, f"{name}, {kind}", count, Harm())
        notes.add(row, name, 0, life.harm)
    return sum(count for (of, each), (count, _) in notes.harms.items() if of == row and each.startswith(f"{name}, "))


def at_once(crashes: Crashes, notes: Notes, _: argparse.Namespace) -> None:
    """Two at once."""
    for number, (row, do) in enumerate(two.ROWS.items()):
        if notes.part.has(number) and (row, row) not in notes.harms:
            notes.add(row, row, 1, do(crashes))


PARTS = {"two": at_once, "crash": crash, "kills": random_kills}


def table(harms: Mapping[tuple[str, str], tuple[int, Harm]]) -> Iterator[str]:
    """The rows of the table, in the order of their first appearance."""
    rows: dict[str, tuple[int, Harm]] = {}
    kinds: dict[str, Counter[str]] = {}
    for (row, name), (count, harm) in harms.items():
        before, total = rows.get(row, (0, Harm()))
        total.add(harm)
        rows[row] = before + count, total
        if name.startswith("seed ") and count:
            kinds.setdefault(row, Counter())[name.partition(", ")[2]] += count
    yield f"{'fault':38} {'injections':>10} {'lost':>6} {'doubled':>8} {'different':>10} {'worst time to recover':>22}"
    for row, (count, harm) in rows.items():
        counts = f"{count:10} {len(harm.lost):6} {len(harm.doubled):8} {len(harm.different):10}"
        yield f"{row:38} {counts} {harm.seconds:20.1f} s"
    for row, of_row in kinds.items():
        yield f"{row}: {', '.join(f'{count} of a {kind}' for kind, count in of_row.most_common())}"


def main() -> int:
    """Inject, and print the table."""
    engines = list(kills.SHARES)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=_KILLS, help=f"how many random kills, or some more (default: {_KILLS})")
    parser.add_argument("--engine", nargs="+", choices=engines, default=engines, help="of random kills (default: all here)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", type=Part.of, default=Part(), help="I/N: only the I-th of N parts of the work")
    parser.add_argument("--afresh", action="store_true", help="forget what was done before")
    given = parser.parse_args()
    notes, work = Notes(given.afresh, given.part), Path(tempfile.mkdtemp(prefix="faults-"))  # short, for sockets
    crashes = Crashes(work)
    try:
        for part in given.only:
            PARTS[part](crashes, notes, given)
    finally:
        crashes.close()
        shutil.rmtree(work, ignore_errors=True)
    print(*table(notes.harms), sep="\n")
    return int(any(harm.sentences for _, harm in notes.harms.values()))


if __name__ == "__main__":
    sys.exit(main())
