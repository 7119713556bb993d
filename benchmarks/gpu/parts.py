"""The parts of the GPU benchmark: each has a name, runs in a process of its own, and gives rows of a table."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.gpu.fixtures import Setup


@dataclass(frozen=True)
class Row:
    """One line of the table: what was looked at, what came out, what it has to be, and whether it is (None: no limit)."""

    what: str
    value: str
    limit: str = ""
    holds: bool | None = None


Part = Callable[[Setup], list[Row]]


def at_most(what: str, value: float, limit: float, spread: str = "") -> Row:
    """A ratio that must not be larger than `limit`."""
    return Row(what, f"{value:.3f}{spread}", f"at most {limit:g}", value <= limit)


def at_least(what: str, value: float, limit: float) -> Row:
    """A share that must not be smaller than `limit`."""
    return Row(what, f"{value:.3f}", f"at least {limit:g}", value >= limit)


def must(what: str, holds: bool, value: str = "") -> Row:
    """A statement that has to be true."""
    return Row(what, value or ("yes" if holds else "no"), "yes", holds)
