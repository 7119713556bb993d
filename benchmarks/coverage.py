"""Whether the claims of a report are true as often as it says: whole reports of simulated studies with known effects.

    .venv/bin/python benchmarks/coverage.py [--studies 2000] [--seeds 3 4 5 10] [--rows WORDS ...] [--processes N]

Draws studies of several worlds (`benchmarks/simulation`), has the code of the report make its sentences, stars and numbers, reads
them, and counts what is false. Prints the share of each with its standard error and its bound. The exit code is 1 if a bound is
missed by more than three standard errors. `--rows` takes those whose name has one of these words; `intervals` is the coverage
of each kind of interval.

About 50 ms a report: with the default numbers some hours on two cores, with `--studies 200` half an hour.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from simulation import intervals
from simulation.measures import Measure
from simulation.rows import rows

BATCH = 20
CHANCE = 3.0
"""So many standard errors beyond its bound a share is no chance."""

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


def told(kind: Measure, values: Sequence[float]) -> str:
    """One line of the output."""
    mean, error = 100 * float(np.mean(values)), 100 * float(np.std(values)) / len(values) ** 0.5
    bound = "" if kind.side == "given" else f"{kind.side} {100 * kind.bound:g} %"
    return f"    {kind.name:<52}{mean:7.2f} % ± {error:.2f}  {bound:<15}{'' if is_kept(kind, values) else 'NOT KEPT'}".rstrip()


def main() -> int:
    """Print what was measured; returns 1 if a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5, 10])
    parser.add_argument("--rows", nargs="+", default=[""], metavar="WORDS")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [row for row in rows() if any(words in row.name for words in options.rows)]
    kept = True
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for row in chosen:
            print(f"{row.name}{f' (before: {row.before})' if row.before else ''}")
            for seeds in options.seeds:
                print(f"  {seeds} seeds, {options.studies} studies", flush=True)
                for kind, values in measure(row.name, seeds, options.studies, pool).items():
                    print(told(kind, values), flush=True)
                    kept = is_kept(kind, values) and kept
        if any(words in "intervals" for words in options.rows):
            kept = intervals.measured(options.seeds, options.studies, pool) and kept
    return 0 if kept else 1


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    raise SystemExit(main())
