"""Compare two tables of a benchmark: `python -m benchmarks.compare A.json B.json`.

For each row with a number, how many times that of A the one of B is. A difference is beyond the spreads if the ranges of both,
each its number ± its spread, do not meet; rows without spreads (memory) differ if their numbers do by more than a thousandth.
What differs between the machines, versions and commits is told first, and what only one table has at the end. It judges nothing:
whether more is worse depends on the row. Exit code 1: the files are not two tables to compare.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXACT = 0.001
"""The relative difference within which numbers without spreads are the same."""


class NotComparableError(Exception):
    """Two files that are not tables of one benchmark; the text says why, and what to do."""


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="benchmarks.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    options = parser.parse_args()
    try:
        before, after = (_read(path) for path in (options.before, options.after))
        print("\n".join(comparison(before, after)))
    except NotComparableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def comparison(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """The lines of the comparison, in Markdown. Raises `NotComparableError` for a table in small beside one in full."""
    if before["tiny"] != after["tiny"]:
        raise NotComparableError("one of the tables was measured with --tiny, whose times mean nothing; measure it without.")
    ours, theirs = before["machine"], after["machine"]
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    yield from (f"{name}: A {ours.get(name, 'unknown')}, B {theirs.get(name, 'unknown')}" for name in differing)
    yield "" if differing else "Machine, versions and commit are the same.\n"
    yield "| what | A | B | B / A | difference |"
    yield "|---|---|---|---|---|"
    rows, others = _rows(before), _rows(after)
    yield from (_line(what, row, others[what]) for what, row in rows.items() if what in others)
    for name, alone in (
        ("A", [what for what in rows if what not in others]),
        ("B", [what for what in others if what not in rows]),
    ):
        if alone:
            yield f"\nOnly in {name}: {'; '.join(alone)}"


def beyond_spreads(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the ranges number ± spread of two rows do not meet."""
    one, other = before["number"], after["number"]
    room = sum(row["number"] * (EXACT / 2 if row["spread"] is None else row["spread"]) for row in (before, after))
    return bool(abs(one - other) > room)


def _line(what: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    ratio = after["number"] / before["number"] if before["number"] else float("nan")
    beyond = beyond_spreads(before, after)
    said = "within the spreads" if not beyond else "**more**" if after["number"] > before["number"] else "**less**"
    return f"| {what} | {before['value']} | {after['value']} | {ratio:.3f} | {said} |"


def _rows(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows that are a number, by what they are of."""
    rows = [row for part in document["parts"].values() for row in part["rows"]]
    return {row["what"]: row for row in rows if row.get("number") is not None}


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if _rows(document) and {"machine", "tiny"} <= document.keys():
            return document
    except OSError as error:
        raise NotComparableError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise NotComparableError(f"{path}: is not the table of a benchmark with numbers; `make bench` writes build/cpu/cpu.json.")


if __name__ == "__main__":
    sys.exit(main())
