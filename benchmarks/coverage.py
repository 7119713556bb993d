"""Whether the report's intervals and corrections keep what they promise, on simulated studies with known effects.

    .venv/bin/python benchmarks/coverage.py [--studies 2000]

Simulates studies of four targets, twelve pairs, baseline and random control over paired seeds: scores of one target and seed
share a part (so do the report's differences share their baseline), and each run has its own. Prints, for 3, 5 and 10 seeds, how
often a pair's interval holds its true gain (promised: 95 %) and, where no auxiliary does anything, how often any of the twelve
pairs is said to hold after the correction (promised: at most 5 %). Expect 95 ± 1.5 % and at most 5 % but for the error of the
simulation. About five minutes.
"""

import argparse
from itertools import product

import numpy as np
import pandas as pd

from m2pt.analysis.tables import summaries
from m2pt.config import MODALITIES

GAINS = {"audio": 0.5, "image": -0.5, "point": 1.0, "video": 2.0}
"""The true gain of each auxiliary, in points."""


def simulated(rng: np.random.Generator, seeds: int, effects: bool) -> pd.DataFrame:
    """The table of runs of one study."""
    rows = []
    for target, seed in product(MODALITIES, range(seeds)):
        shared = rng.normal(70, 2)
        arms = [("baseline", "", 0.0), ("random_auxiliary", "random", 0.0)]
        arms += [("pathway", name, GAINS[name] if effects else 0.0) for name in MODALITIES if name != target]
        for method, auxiliary, gain in arms:
            score = shared + gain + rng.normal(0, 1)
            rows.append({"target": target, "method": method, "auxiliary": auxiliary, "seed": seed, "test_score": score})
    fixed = {"setting": "pretrained", "tuning": "full", "metric": "accuracy", "parts": "", "status": "complete"}
    table = pd.DataFrame(rows).assign(**fixed)
    return table.assign(val_score=table["test_score"])


def measure(seeds: int, studies: int) -> tuple[float, float]:
    """Coverage over all pairs in percent, and the family-wise error in percent."""
    rng = np.random.default_rng(seeds)
    inside, asked, false_alarms = 0, 0, 0
    for _ in range(studies):
        (summary,) = summaries(simulated(rng, seeds, effects=True))
        for item in summary.select("baseline", "pair"):
            truth = GAINS[item.auxiliary]
            asked += 1
            inside += item.estimate.low is not None and item.estimate.low <= truth <= (item.estimate.high or 0)
        (summary,) = summaries(simulated(rng, seeds, effects=False))
        false_alarms += any(item.holds for item in summary.select("baseline", "pair"))
    return 100 * inside / asked, 100 * false_alarms / studies


def main() -> int:
    """Print what was measured; exit code 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    error = 2 * 100 * np.sqrt(0.05 * 0.95 / studies)
    kept = True
    for seeds in (3, 5, 10):
        coverage, family = measure(seeds, studies)
        good = abs(coverage - 95) <= 1.5 and family <= 5 + error
        kept = kept and good
        print(
            f"{seeds:>2} seeds: coverage {coverage:.2f} %, family-wise error {family:.2f} %{'' if good else '  NOT KEPT'}",
            flush=True,
        )
    print(f"{studies} studies each; two standard errors of a family-wise error of 5 % are {error:.2f} %")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
