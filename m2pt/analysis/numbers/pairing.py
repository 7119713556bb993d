"""The runs of a study by part, and their differences from partners, paired run by run.

Differences are averaged over auxiliaries, and over targets seed by seed: neither auxiliaries nor targets are further seeds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from m2pt.analysis.numbers.statistics import Estimate, estimate
from m2pt.config import MethodName
from m2pt.runs.table import by_part


class Key(NamedTuple):
    """What partners share."""

    setting: str
    tuning: str
    method: MethodName
    target: str
    auxiliary: str
    seed: int


class Run(NamedTuple):
    """A planned run: its place in the table of runs, its test score in percent (None: not complete), the paper's for its cell.

    `samples` is equal for runs of the very same samples.
    """

    row: int
    score: float | None
    published: float | None = None
    samples: str | None = None


Runs = Mapping[Key, Run]
Partner = Callable[[Key], Run | None]
BySeed = dict[int, float | None]


def runs_by_part(table: pd.DataFrame, published: Sequence[float | None] = ()) -> dict[str, dict[Key, Run]]:
    """The runs of each part of a study; those of a study without parts are under "".

    Args:
        table: the table of runs (`m2pt.runs.table.read_table`).
        published: the paper's score of each row's cell in percent, None where it has none; empty where no row has one.

    """
    theirs = list(published) or [None] * len(table)
    rows = by_part(table.assign(row=range(len(table))))
    columns = [
        rows[name]
        for name in ("part", "setting", "tuning", "method", "target", "auxiliary", "seed", "row", "test_score", "samples_sha256")
    ]
    found: dict[str, dict[Key, Run]] = {}
    for part, setting, tuning, method, target, auxiliary, seed, row, score, samples in zip(*columns, strict=True):
        key = Key(str(setting), str(tuning), str(method), str(target), str(auxiliary), int(seed))
        found.setdefault(str(part), {})[key] = Run(
            int(row), _number(score), theirs[int(row)], None if pd.isna(samples) else str(samples)
        )
    return found


def differences(keys: Iterable[Key], runs: Runs, partner: Partner) -> dict[str, BySeed]:
    """By target and seed: the mean over auxiliaries of the scores less their partners'.

    Runs without a planned partner are left out; None where a run or its partner is not complete.
    """
    found: dict[str, dict[int, list[float | None]]] = {}
    for key in keys:
        other = partner(key)
        if other is not None:
            mine = runs[key].score
            value = None if mine is None or other.score is None else mine - other.score
            found.setdefault(key.target, {}).setdefault(key.seed, []).append(value)
    return {target: {seed: mean(values) for seed, values in sorted(seeds.items())} for target, seeds in found.items()}


def unlike(keys: Iterable[Key], runs: Runs, partner: Partner) -> set[str]:
    """The targets on which runs are set against partners that are of other samples."""
    found = ((key, runs[key].samples, other.samples) for key in keys if (other := partner(key)) is not None)
    return {key.target for key, mine, theirs in found if mine and theirs and mine != theirs}


def scores(keys: Iterable[Key], runs: Runs) -> dict[str, Estimate]:
    """The mean test score by target, averaged over auxiliaries, with its interval over seeds."""
    nothing = Run(-1, 0.0)
    return {target: over_seeds(values) for target, values in differences(keys, runs, lambda _: nothing).items()}


def over_targets(of_targets: Mapping[str, BySeed]) -> Estimate:
    """One number per seed over all targets, from the seeds that are complete in every one."""
    seeds = sorted({seed for values in of_targets.values() for seed in values})
    return over_seeds({seed: mean([values.get(seed) for values in of_targets.values()]) for seed in seeds})


def over_seeds(values: BySeed) -> Estimate:
    """The mean over seeds with its interval; a seed without a value counts as dropped."""
    return estimate([value for value in values.values() if value is not None], len(values))


def mean(values: Sequence[float | None]) -> float | None:
    """The mean where all are known, None otherwise."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
