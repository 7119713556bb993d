"""Whether the claims of a report are true as often as it says: whole reports of simulated studies with known effects.

    .venv/bin/python benchmarks/coverage.py [--studies 2000] [--seeds 3 4 5 10] [--rows WORDS ...] [--processes N] [--csv FILE]

Draws studies of several worlds (`benchmarks/simulation`), has the code of the report make its sentences, stars and numbers, reads
them, and counts what is false. Prints the share of each with its standard error and its bound. The exit code is 1 if a bound is
missed by more than three standard errors. `--rows` takes those whose name has one of these words; `intervals` is the coverage
of each kind of interval.

`--csv` adds what is printed of each row to a file; `docs/benchmarks/coverage.csv` is that of the default numbers. With the
default numbers two hours on two quiet cores, with `--studies 200` twelve minutes.
"""

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from simulation import intervals
from simulation.measures import Measure
from simulation.rows import rows

BATCH = 20
CHANCE = 3.0
"""So many standard errors beyond its bound a share is no chance."""

COLUMNS = ("row", "seeds", "studies", "measure", "percent", "error", "side", "bound")

Values = dict[Measure, list[float]]


def batch(row: str, seeds: int, number: int, studies: int) -> Values:
    """What some studies of a row give."""
    (count,) = (item.count for item in rows() if item.name == row)
    rng = np.random.default_rng([seeds, number, *row.encode()])
    values: Values = defaultdict(list)
    for _ in range(studies):
        for measure, value in count(seeds, rng):
            values[measure].append(value)
    return dict(values)


def measure(row: str, seeds: int, studies: int, pool: ProcessPoolExecutor) -> Values:
    """What many studies of a row give."""
    counts = [min(BATCH, studies - start) for start in range(0, studies, BATCH)]
    many = len(counts)
    values: Values = defaultdict(list)
    for part in pool.map(batch, [row] * many, [seeds] * many, range(many), counts):
        for kind, numbers in part.items():
            values[kind] += numbers
    return values


def is_kept(kind: Measure, values: Sequence[float]) -> bool:
    """Whether a bound is kept, but for chance."""
    if kind.side == "given":
        return True
    spread = max(float(np.std(values)), (kind.bound * (1 - kind.bound)) ** 0.5)  # no failure seen is no proof that there is none
    error = CHANCE * spread / len(values) ** 0.5 if 0 < kind.bound < 1 else 0.0
    mean = float(np.mean(values))
    return mean <= kind.bound + error if kind.side == "at most" else mean >= kind.bound - error


def percent(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, in percent."""
    return 100 * float(np.mean(values)), 100 * float(np.std(values)) / len(values) ** 0.5


def keep(path: Path, row: str, seeds: int, studies: int, values: Values) -> None:
    """Add what was measured of a row to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    starts = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if starts:
            writer.writerow(COLUMNS)
        for kind, numbers in values.items():
            mean, error = percent(numbers)
            bound = "" if kind.side == "given" else f"{100 * kind.bound:g}"
            writer.writerow([row, seeds, studies, kind.name, f"{mean:.2f}", f"{error:.2f}", kind.side, bound])


def told(kind: Measure, values: Sequence[float]) -> str:
    """One line of the output."""
    mean, error = percent(values)
    bound = "" if kind.side == "given" else f"{kind.side} {100 * kind.bound:g} %"
    return f"    {kind.name:<52}{mean:7.2f} % ± {error:.2f}  {bound:<15}{'' if is_kept(kind, values) else 'NOT KEPT'}".rstrip()


def main() -> int:
    """Print what was measured; returns 1 if a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5, 10])
    parser.add_argument("--rows", nargs="+", default=[""], metavar="WORDS")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [row for row in rows() if any(words in row.name for words in options.rows)]
    kept = True
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for row in chosen:
            print(f"{row.name}{f' (before: {row.before})' if row.before else ''}")
            for seeds in options.seeds:
                print(f"  {seeds} seeds, {options.studies} studies", flush=True)
                measured = measure(row.name, seeds, options.studies, pool)
                for kind, values in measured.items():
                    print(told(kind, values), flush=True)
                    kept = is_kept(kind, values) and kept
                if options.csv:
                    keep(options.csv, row.name, seeds, options.studies, measured)
        if any(words in "intervals" for words in options.rows):
            kept = intervals.measured(options.seeds, options.studies, pool) and kept
    return 0 if kept else 1


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    raise SystemExit(main())
