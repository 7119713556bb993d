"""Test samples as a second source of chance: paired comparisons for further seeds and test samples, and for these runs.

All runs on a target are scored on the same test samples, and methods that are right on different ones differ by chance of the
test set too: more seeds do not average that out. What each sample scored in each run (`m2pt.runs.sample_scores`) gives a table
of differences, draws × samples, with both crossed and random: y = m + a(draw) + b(sample) + e. The variance of its mean is

    (E[MS of draws] + E[MS of samples] - E[MS of the rest]) / (draws * samples)

(S. R. Searle, G. Casella and C. E. McCulloch, Variance Components, 1992, chapter 4). The mean square of the draws is what the
interval over seeds is made from, whatever the layout of the draws. So that interval is kept and widened by what the samples add,
the rest of the formula, with the degrees of freedom of the samples (`m2pt.analysis.numbers.statistics.widened`). A t interval
with Satterthwaite's degrees of freedom for the whole sum is too narrow with few draws: simulated, it covers 90 to 97 % with 2
draws and 93 to 97 % with 3. This one covers 95 to 99 % from 2 draws on, for all ratios of the variances.

Test samples of different targets are independent; the pairs of one target share theirs, so they are averaged sample by sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from m2pt.analysis.numbers.cells import CellKey, by_target
from m2pt.analysis.numbers.comparisons import Against, Comparison, Summary
from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.statistics import Component, Estimate, combined, widened
from m2pt.runs.sample_scores import BySample

Differences = NDArray[np.float64]
"""Differences in points, draws × samples."""

MEANS_OVER_SAMPLES = ("accuracy", "miou_instance")
"""The main scores that are means over samples; mean average precision and the IoU of counts over all pixels are not."""

Scores = Mapping[str, BySample]
"""What each test sample scored, by the id of the run."""


class Squares(NamedTuple):
    """The mean squares of a table without repetition: between rows (draws), between columns (samples), and of the rest."""

    draws: float
    samples: float
    rest: float


@dataclass(frozen=True)
class OverSamples:
    """A mean difference, in points, with its test samples as a sample.

    `further` is for further draws and further test samples, and has no interval where the draws have none. `runs` is for further
    test samples of these very runs; its p-value is McNemar's exact one where there is one draw of right and wrong answers.
    `samples` counts the test samples of each target.
    """

    further: Estimate
    runs: Estimate
    samples: tuple[int, ...]
    exact: bool = False


def over_samples(value: Estimate, comparisons: Sequence[Comparison], scores: Scores) -> OverSamples | None:
    """A comparison, or the mean over several, with its test samples.

    Args:
        value: its mean over draws, with its interval.
        comparisons: what it is the mean of; their differences are averaged with equal weights.
        scores: what each test sample scored.

    Returns:
        None where a run of it lacks its samples' scores, or runs on different samples are compared (`lack` says which).

    """
    comparisons = [item for item in comparisons if item.estimate.n]  # of the others all runs failed, on one side at least
    if not comparisons or value.mean is None or lack(comparisons, scores):
        return None
    tables = _tables(comparisons, scores)
    shares = {target: len(members) / len(comparisons) for target, members in by_target(comparisons).items()}
    parts = [_scaled(sample_component(table), shares[target]) for target, table in tables.items()]
    fixed = [_scaled(_of_runs(table), shares[target]) for target, table in tables.items()]
    runs = combined(value.n, value.mean, tuple(fixed))
    exact = len(comparisons) == 1 and value.n == 1 and _is_binary(comparisons[0], scores)
    if exact:
        (table,) = tables.values()
        runs = _with_p(runs, mcnemar(table[0]))
    return OverSamples(widened(value, parts), runs, tuple(table.shape[1] for table in tables.values()), exact)


@dataclass(frozen=True)
class SampleEvidence:
    """What one condition shows of further test samples.

    `pairs` are the comparisons with random weights by their cells, `averages` those of other modalities' pairs by what they are
    compared with. `lacks` are the reasons why some are missing.
    """

    pairs: dict[CellKey, OverSamples]
    averages: dict[Against, OverSamples]
    lacks: tuple[str, ...]


def sample_evidence(summary: Summary, scores: Scores) -> SampleEvidence:
    """The comparisons of one condition, and the averages over its pairs, with their test samples."""
    compared = {item.cell.key: item for item in summary.comparisons if item.against == "random"}
    pairs = {key: found for key, item in compared.items() if (found := over_samples(item.estimate, [item], scores))}
    over: tuple[Against, ...] = ("random", "baseline")
    averages: dict[Against, OverSamples] = {}
    for against in over:
        found = over_samples(summary.averages[against], summary.select(against, "pair"), scores)
        averages |= {} if found is None else {against: found}
    reasons = (lack([item], scores) for item in compared.values() if item.estimate.n)
    return SampleEvidence(pairs, averages, tuple(dict.fromkeys(reason for reason in reasons if reason)))


def is_shown(item: OverSamples | None, level: float) -> bool:
    """Whether the interval for further draws and test samples excludes 0 at this level."""
    if item is None or item.further.mean is None:
        return False
    half_width = item.further.half_width_at(1 - level)
    return half_width is not None and abs(item.further.mean) > half_width


def lack(comparisons: Sequence[Comparison], scores: Scores) -> str:
    """Why there can be no statement about further test samples; empty where there can."""
    runs = [run for item in comparisons for run in (*item.cell.complete.values(), *item.reference.complete.values())]
    if any(item.unlike for item in comparisons) or _differ_in_samples(comparisons):
        return "the runs were scored on different samples"
    if any(run.run_id not in scores for run in runs):
        if all(item.cell.metric in MEANS_OVER_SAMPLES for item in comparisons):
            return "it is not known for all runs what each test sample scored"
        return "the score is no mean over samples"
    return ""


def squares(table: Differences) -> Squares:
    """The mean squares of a table of at least two draws and two samples."""
    draws, samples = table.shape
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - rows[:, None] - columns[None, :] + mean
    return Squares(
        draws=float(samples * rows.var(ddof=1)),
        samples=float(draws * columns.var(ddof=1)),
        rest=float((rest**2).sum() / ((draws - 1) * (samples - 1))),
    )


def sample_component(table: Differences) -> Component:
    """What the choice of test samples adds to the variance of a table's mean beyond what its draws show.

    Of one draw alone it is all of the variance between samples. Where draws share a replicate of the encoders, too little is
    taken off rather than too much.
    """
    draws, samples = table.shape
    if draws == 1:
        return _of_runs(table)
    mean_squares = squares(table)
    return Component(max(0.0, mean_squares.samples - mean_squares.rest) / table.size, samples - 1)


def mcnemar(differences: NDArray[np.float64]) -> float:
    """The exact two-sided p-value that two classifiers are right equally often, from the samples on which one of them is right.

    Source: Q. McNemar, Psychometrika 12 (1947), with the binomial distribution.

    Args:
        differences: of one run each: above 0 where the first alone is right, below 0 where the second alone is.

    """
    first, second = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0


def _tables(comparisons: Sequence[Comparison], scores: Scores) -> dict[str, Differences]:
    """The differences of each target, averaged over its comparisons; samples without a score are left out."""
    tables = {}
    for target, members in by_target(comparisons).items():
        of_draws = [rows for draw in members[0].differences if (rows := _rows(members, draw, scores))]
        table = 100.0 * np.array([np.mean(rows, axis=0) for rows in of_draws])
        tables[target] = table[:, ~np.isnan(table).any(axis=0)]
    return tables


def _rows(members: Sequence[Comparison], draw: Draw, scores: Scores) -> list[NDArray[np.float64]]:
    """The differences by sample of one draw, of each comparison that has both of its runs."""
    rows = []
    for item in members:
        pair = item.cell.complete.get(draw), item.reference.complete.get(draw)
        mine, theirs = (scores[str(run.run_id)].astype(np.float64) if run else None for run in pair)
        if mine is not None and theirs is not None:
            rows.append(mine - theirs)
    return rows


def _of_runs(table: Differences) -> Component:
    """The variance of a table's mean over further samples of these runs."""
    return Component(float(table.mean(axis=0).var(ddof=1)) / table.shape[1], table.shape[1] - 1)


def _scaled(part: Component, share: float) -> Component:
    return Component(share**2 * part.variance, part.freedom)


def _with_p(value: Estimate, p: float) -> Estimate:
    return replace(value, p_value=p)


def _is_binary(item: Comparison, scores: Scores) -> bool:
    return all(scores[str(run.run_id)].dtype == np.bool_ for run in item.cell.complete.values())


def _differ_in_samples(comparisons: Sequence[Comparison]) -> bool:
    """Whether the runs of a target were scored on different samples, in whatever draw."""
    for members in by_target(comparisons).values():
        cells = [cell for item in members for cell in (item.cell, item.reference)]
        if len({run.samples_sha256 for cell in cells for run in cell.complete.values()}) > 1:
            return True
    return False
