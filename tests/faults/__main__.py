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
from collections.abc import Iterable, Iterator
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


def crash(crashes: Crashes, notes: Notes, _: int) -> None:
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


def random_kills(crashes: Crashes, notes: Notes, wanted: int) -> None:
    """Seeded random kills, shared among the engines."""
    for engine in kills.ENGINES:
        row, seeds = f"random kills, {engine}", itertools.count(notes.part.index - 1, notes.part.count)
        left = -(-wanted // len(kills.ENGINES) // notes.part.count)
        for seed in seeds:
            if (row, f"seed {seed}") not in notes.harms:
                life = kills.live(crashes, engine, seed, min(left, kills.KILLS_IN_A_LIFE))
                notes.add(row, f"seed {seed}", life.kills, life.harm)
            left -= notes.harms[row, f"seed {seed}"][0]
            if left <= 0:
                break


def at_once(crashes: Crashes, notes: Notes, _: int) -> None:
    """Two at once."""
    for number, (row, do) in enumerate(two.ROWS.items()):
        if notes.part.has(number) and (row, row) not in notes.harms:
            notes.add(row, row, 1, do(crashes))


PARTS = {"two": at_once, "crash": crash, "kills": random_kills}


def table(harms: Iterable[tuple[str, int, Harm]]) -> Iterator[str]:
    """The rows of the table, in the order of their first appearance."""
    rows: dict[str, tuple[int, Harm]] = {}
    for row, count, harm in harms:
        before, total = rows.get(row, (0, Harm()))
        total.add(harm)
        rows[row] = before + count, total
    yield f"{'fault':38} {'injections':>10} {'lost':>6} {'doubled':>8} {'different':>10} {'worst time to recover':>22}"
    for row, (count, harm) in rows.items():
        counts = f"{count:10} {len(harm.lost):6} {len(harm.doubled):8} {len(harm.different):10}"
        yield f"{row:38} {counts} {harm.seconds:20.1f} s"


def main() -> int:
    """Inject, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=_KILLS, help=f"how many random kills (default: {_KILLS})")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", type=Part.of, default=Part(), help="I/N: only the I-th of N parts of the work")
    parser.add_argument("--afresh", action="store_true", help="forget what was done before")
    given = parser.parse_args()
    notes, work = Notes(given.afresh, given.part), Path(tempfile.mkdtemp(prefix="m2pt-faults-"))
    crashes = Crashes(work)
    try:
        for part in given.only:
            PARTS[part](crashes, notes, given.kills)
    finally:
        crashes.close()
        shutil.rmtree(work, ignore_errors=True)
    print(*table((row, count, harm) for (row, _), (count, harm) in notes.harms.items()), sep="\n")
    return int(any(harm.sentences for _, harm in notes.harms.values()))


if __name__ == "__main__":
    sys.exit(main())
