"""The parts of a benchmark: each has a name, runs in a process of its own, and gives rows of a table."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring.fixtures import Setup


@dataclass(frozen=True)
class Row:
    """One line of the table: what was looked at, what came out, what it has to be, and whether it is (None: no limit).

    `number` is what came out, where it is one number to compare with that of another table; `spread` is relative to it.
    """

    what: str
    value: str
    limit: str = ""
    holds: bool | None = None
    number: float | None = None
    spread: float | None = None


Part = Callable[[Setup], list[Row]]


def measured(what: str, number: float, unit: str, spread: float | None = None, said: str = "") -> Row:
    """A number with its unit (none for a ratio), to which nothing is a limit."""
    text = f"{_digits(number)} {unit}" if unit else f"{number:.3f}"
    return Row(what, text + _apart(spread) + said, number=number, spread=spread)


def at_most(what: str, value: float, limit: float, said: str = "", spread: float | None = None, unit: str = "") -> Row:
    """A number, of no unit if it is a ratio, that must not be larger than `limit`."""
    text = f"{value:.3f} {unit}".strip()
    return Row(what, text + _apart(spread) + said, f"at most {limit:g} {unit}".strip(), value <= limit, value, spread)


def at_least(what: str, value: float, limit: float) -> Row:
    """A share that must not be smaller than `limit`."""
    return Row(what, f"{value:.3f}", f"at least {limit:g}", value >= limit, value)


def must(what: str, holds: bool, value: str = "") -> Row:
    """A statement that has to be true."""
    return Row(what, value or ("yes" if holds else "no"), "yes", holds)


def mebibytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 2**20:,.0f} MiB"


def _digits(number: float) -> str:
    """Fewer decimals of what is larger."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.1f}" if abs(number) >= 100 else f"{number:.2f}"


def _apart(spread: float | None) -> str:
    return "" if spread is None else f" ± {spread:.1%}"
