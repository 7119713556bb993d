"""Whether every interval of the report has the coverage that it claims.

Simulates studies of four targets, twelve pairs, baseline, random and own-modality control over paired seeds. The scores of one
target and seed have a shared component (as the report's differences share their reference), and each run has its own. Gains are
drawn anew for each study: one component for the target, by which targets like these vary, and one for the pair. Everything goes
through the code of the report (the tables of methods, contrasts and classes use the same t intervals, of one number per seed).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from m2pt.analysis.numbers import trajectories
from m2pt.analysis.numbers.cells import cells
from m2pt.analysis.numbers.comparisons import Against, summaries
from m2pt.analysis.numbers.evidence import Together, together
from m2pt.analysis.numbers.pooling import bootstrap
from m2pt.config import MODALITIES

MEAN_GAIN = 0.75
"""The true gain of other modalities on average over targets like these, in points; nothing is gained by random weights."""

BETWEEN_TARGETS, BETWEEN_PAIRS, BETWEEN_RUNS, BETWEEN_SEEDS = 0.7, 0.5, 1.0, 2.0
"""Standard deviations: of the targets' true gains, the pairs' within a target, the runs, and what runs of a seed share."""

OWN_GAIN, LEVEL = 3.0, 70.0

AGAINST: tuple[Against, ...] = ("random", "baseline")
PAIRS = [(target, auxiliary) for target in MODALITIES for auxiliary in MODALITIES if auxiliary != target]

Tally = dict[str, list[bool]]
Ends = tuple[float | None, float | None]


def draw_gains(rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """The true gain of each pair of one study."""
    of_target = {target: MEAN_GAIN + rng.normal(0, BETWEEN_TARGETS) for target in MODALITIES}
    return {pair: of_target[pair[0]] + rng.normal(0, BETWEEN_PAIRS) for pair in PAIRS}


def simulated(rng: np.random.Generator, seeds: int, gains: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """The table of runs of one study."""
    rows = []
    for target, seed in product(MODALITIES, range(seeds)):
        shared = rng.normal(LEVEL, BETWEEN_SEEDS)
        methods = [("baseline", "", 0.0), ("random_auxiliary", "random", 0.0), ("own_lineage", target, OWN_GAIN)]
        methods += [("pathway", name, gains[target, name]) for name in MODALITIES if name != target]
        rows += [
            (target, method, auxiliary, seed, score)
            for (method, auxiliary, gain), noise in zip(methods, rng.normal(0, BETWEEN_RUNS, len(methods)), strict=True)
            for score in [shared + gain + noise]
        ]
    fixed = {"setting": "pretrained", "tuning": "full", "metric": "accuracy", "parts": "", "status": "complete"}
    table = pd.DataFrame(rows, columns=["target", "method", "auxiliary", "seed", "test_score"])
    return table.assign(**fixed, auxiliary_weights="made", val_score=table["test_score"])


def study(table: pd.DataFrame, gains: Mapping[tuple[str, str], float], tally: Tally) -> None:
    """Note whether each interval of one study with gains contains the true value."""
    (summary,) = summaries(cells(table))
    for item in summary.comparisons:
        kind = f"{item.role} over {'no auxiliary' if item.against == 'baseline' else 'random weights'}"
        truth = true_gain(gains, item.target, item.auxiliary)
        note(tally, f"t interval, {kind}", (item.estimate.low, item.estimate.high), truth)
        if item.against == "random":
            resampled = bootstrap([value for value in item.differences.values() if value is not None])
            note(tally, f"bootstrap, {item.role} over random weights", resampled or (None, None), truth)
    for cell in summary.cells:
        truth = true_gain(gains, cell.target, cell.auxiliary)
        note(tally, "t interval, mean score", (cell.mean_test.low, cell.mean_test.high), LEVEL + truth)
    for against in AGAINST:
        over_all = together(summary, against)
        if over_all is not None:
            pooled(tally, "random weights" if against == "random" else "no auxiliary", over_all, gains)


def true_gain(gains: Mapping[tuple[str, str], float], target: str, auxiliary: str) -> float:
    """The true gain of a cell over no auxiliary, and over random weights, which gain nothing."""
    return OWN_GAIN if target == auxiliary else gains.get((target, auxiliary), 0.0)


def curves(tables: Sequence[pd.DataFrame], gains: Sequence[Mapping[tuple[str, str], float]], tally: Tally) -> None:
    """Note the bands of training curves, of one epoch of many studies."""
    of_studies = cells(pd.concat([table.assign(parts=str(number)) for number, table in enumerate(tables)]))
    scores = [(place, 1, draw, score) for place, cell in enumerate(of_studies) for draw, score in cell.val.items()]
    lines = pd.DataFrame(scores, columns=["cell", "epoch", "seed", "val/accuracy"])
    for key, band in trajectories.curves(lines, of_studies).items():
        truth = LEVEL + true_gain(gains[int(key.condition.part)], key.target, key.auxiliary)
        mean, half_width = band["mean"].item(), band["half_width"].item()
        note(tally, "t interval, training curve", (mean - half_width, mean + half_width), truth)


def pooled(tally: Tally, against: str, over: Together, gains: Mapping[tuple[str, str], float]) -> None:
    """Note the intervals over all targets together."""
    note(
        tally, f"mean over all pairs, over {against}", (over.average.low, over.average.high), float(np.mean(list(gains.values())))
    )
    middle = (over.middle.low, over.middle.high)
    note(tally, f"middle half of the pairs, over {against}", middle, middle_of_pairs(gains))
    if over.resampled is not None:
        ends = (over.resampled.low, over.resampled.high)
        note(tally, f"middle half of the runs by bootstrap, over {against}", ends, middle_of_runs(gains))
    if over.targets_like_these is not None:
        ends = (over.targets_like_these.low, over.targets_like_these.high)
        note(tally, f"targets like these, over {against}", ends, MEAN_GAIN)


def note(tally: Tally, kind: str, ends: Ends, truth: float) -> None:
    """Count one interval, or that there is none."""
    low, high = ends
    tally[kind] += [] if low is None or high is None else [low <= truth <= high]


def middle_of_pairs(gains: Mapping[tuple[str, str], float]) -> float:
    """The expectation, over seeds, of the mean of the middle half of the pairs' gains of one seed: by 2000 fixed draws."""
    true = np.array([gains[pair] for pair in PAIRS])
    of_target = np.array([list(MODALITIES).index(target) for target, _ in PAIRS])  # pairs of a target share its reference's noise
    return float(stats.trim_mean(true + _NOISE[:, : len(PAIRS)] - _NOISE[:, len(PAIRS) :][:, of_target], 0.25, axis=1).mean())


def middle_of_runs(gains: Mapping[tuple[str, str], float]) -> float:
    """The mean of the middle half of what all further seeds of the targets would give, each the mean of a target's pairs."""
    means = {target: np.mean([gains[pair] for pair in PAIRS if pair[0] == target]) for target in MODALITIES}
    spread = BETWEEN_RUNS * np.sqrt(1 / (len(MODALITIES) - 1) + 1)
    return float(stats.trim_mean(np.concatenate([mean + spread * _QUANTILES for mean in means.values()]), 0.25))


_HALF: NDArray[np.float64] = np.random.default_rng(0).normal(0, BETWEEN_RUNS, (1000, len(PAIRS) + len(MODALITIES)))
_NOISE = np.concatenate([_HALF, -_HALF])
_QUANTILES = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)


def batch(seeds: int, number: int, studies: int) -> tuple[Tally, float]:
    """Studies with gains, and as many without: the tally of the former, the sum of the false shares of stars of the latter."""
    rng = np.random.default_rng([seeds, number])
    tally: Tally = defaultdict(list)
    gains = [draw_gains(rng) for _ in range(studies)]
    tables = [simulated(rng, seeds, known) for known in gains]
    for table, known in zip(tables, gains, strict=True):
        study(table, known, tally)
    curves(tables, gains, tally)
    claimed = 0.0
    for _ in range(studies):
        (summary,) = summaries(cells(simulated(rng, seeds, dict.fromkeys(PAIRS, 0.0))))
        shown = [item for item in summary.comparisons if item.against == "baseline" and item.holds]
        claimed += sum(item.role != "lineage" for item in shown) / max(1, len(shown))
    return dict(tally), claimed


def measured(all_seeds: Sequence[int], studies: int, pool: ProcessPoolExecutor) -> bool:
    """Print how often each kind of interval contains the true value; returns whether all are within 95 ± 1.5 % but for chance."""
    error = 3 * 100 * np.sqrt(0.05 * 0.95 / studies)
    kept = True
    for seeds in all_seeds:
        coverage, family = _measure(seeds, studies, pool)
        print(f"intervals: {seeds} seeds, {studies} studies: coverage in percent")
        for kind, value in sorted(coverage.items()):
            good = value is None or abs(value - 95) <= max(1.5, error)
            print(f"  {kind:<60}{'not shown' if value is None else f'{value:9.2f}'}{'' if good else '  NOT KEPT'}")
            kept = kept and good
        good = family <= 5 + error
        print(f"  {'false share of stars where only controls gain':<60}{family:9.2f}{'' if good else '  NOT KEPT'}", flush=True)
        kept = kept and good
    return kept


def _measure(seeds: int, studies: int, pool: ProcessPoolExecutor) -> tuple[dict[str, float | None], float]:
    """Coverage of each kind of interval, None where none is shown; the false share of stars of studies without gains."""
    parts = max(1, studies // 50)
    counts = [studies // parts + (index < studies % parts) for index in range(parts)]
    tally: Tally = defaultdict(list)
    claimed = 0.0
    for covered, wrong in pool.map(batch, [seeds] * parts, range(parts), counts):
        claimed += wrong
        for kind, inside in covered.items():
            tally[kind] += inside
    coverage = {kind: 100 * float(np.mean(inside)) if inside else None for kind, inside in tally.items()}
    return coverage, 100 * claimed / studies
