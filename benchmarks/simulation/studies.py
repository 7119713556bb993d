"""Tables of runs of made-up studies whose true gains are known.

Letters in names of arrays: C cells, D draws, S test samples. All numbers are in points.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from m2pt.config import MODALITIES

Layout = Literal["one", "paired", "nested", "crossed"]
"""Pretraining seeds: one for all runs, one for each fine-tuning seed, fewer than those, or each with every fine-tuning seed."""

Noise = Literal["normal", "t3", "uneven"]
"""What runs vary by: all alike, with heavy tails, or some cells three times as much as others."""


class Place(NamedTuple):
    """A cell of a study."""

    target: str
    method: str
    auxiliary: str


PLACES = [
    Place(target, method, auxiliary)
    for target in MODALITIES
    for method, auxiliary in (
        ("baseline", ""),
        ("random_auxiliary", "random"),
        ("own_lineage", target),
        ("own_apart", target),
        *(("pathway", name) for name in MODALITIES if name != target),
    )
]
BY_MAP = ("point", "video")
"""The targets whose scores are mAP where a world has two metrics."""

PAIRS = [index for index, place in enumerate(PLACES) if place.method == "pathway"]
LEVEL, BETWEEN_SEEDS, BETWEEN_RUNS = 70.0, 2.0, 1.0
"""The mean score, and the standard deviations of what the runs of a target and seed share and of what each has for itself."""

REPLICATES = 3
"""The pretraining seeds of a crossed study."""

DISAGREEMENT = 0.1
"""The share of test samples on which two methods differ where a test set is simulated; with 1,000 it moves their difference by a
standard deviation of one point, for whatever number of seeds."""


@dataclass(frozen=True)
class World:
    """How studies are drawn. `gains` are the true ones over no auxiliary; `control` is that of the positive control.

    `noise` and `spread` are what runs vary by; `samples` rounds scores to so many test samples (0: not at all). `missing` is the
    share of runs that fail at random, `worst_fail` that of each pathway's runs that fail because they score lowest; in `unequal`
    studies cells were planned with different numbers of seeds. `encoders` is the standard deviation by which a pretraining seed
    moves a cell's gain. With `test_set` what each of the `samples` scored is simulated, and methods differ in which they get
    right. With `apart` there is a second control, which gains nothing; with `two_metrics` some targets have another (`BY_MAP`).
    """

    gains: Mapping[Place, float] = field(default_factory=dict)
    control: float = 0.0
    noise: Noise = "normal"
    spread: float = BETWEEN_RUNS
    samples: int = 0
    missing: float = 0.0
    worst_fail: float = 0.0
    unequal: bool = False
    layout: Layout | None = None
    encoders: float = 0.0
    test_set: bool = False
    apart: bool = False
    two_metrics: bool = False

    def of(self, **changes: object) -> "World":
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Truth:
    """The true mean scores of the cells: with further encoders and test samples, and what these encoders and samples add."""

    gains_C: NDArray[np.float64]
    encoders_C: NDArray[np.float64]
    samples_C: NDArray[np.float64]

    def difference(self, first: Place, second: Place, these_encoders: bool, these_samples: bool) -> float:
        """The true difference of two cells, in whatever a claim is about."""
        means_C = self.gains_C + these_encoders * self.encoders_C + these_samples * self.samples_C
        return float(means_C[PLACES.index(first)] - means_C[PLACES.index(second)])


@dataclass(frozen=True)
class Simulated:
    """One study: its table of runs (`m2pt.runs.table.COLUMNS`, as far as claims need them), and what is true."""

    table: pd.DataFrame
    truth: Truth
    sample_scores: dict[str, NDArray[np.bool_]]


def every_pair(gain: float) -> dict[Place, float]:
    """All pairs gain this much."""
    return {PLACES[index]: gain for index in PAIRS}


def one_pair(gain: float) -> dict[Place, float]:
    """One pair gains this much, all others nothing."""
    return {PLACES[PAIRS[0]]: gain}


def draws(world: World, seeds: int) -> list[tuple[int, int | None]]:
    """The seed and the replicate of each draw."""
    match world.layout:
        case None | "one":
            return [(seed, None) for seed in range(seeds)]
        case "paired":
            return [(seed, seed) for seed in range(seeds)]
        case "nested":
            return [(seed, seed % max(2, seeds // 2)) for seed in range(seeds)]
        case "crossed":
            return list(product(range(seeds), range(REPLICATES)))


def simulate(world: World, seeds: int, rng: np.random.Generator) -> Simulated:
    """One study of a world."""
    of_draws = draws(world, seeds)
    gains_C = np.array([world.gains.get(place, 0.0) for place in PLACES])
    gains_C += [world.control * (place.method == "own_lineage") for place in PLACES]
    effects_CD, these_C = _encoder_effects(world, of_draws, rng)
    scores_CD = LEVEL + gains_C[:, None] + effects_CD + _noise(world, of_draws, rng)
    samples_C, by_sample = np.zeros(len(PLACES)), dict[str, NDArray[np.bool_]]()
    if world.test_set:
        scores_CD, samples_C, by_sample = _on_test_set(world, scores_CD - LEVEL, rng)
    elif world.samples:
        scores_CD = np.round(scores_CD * world.samples / 100) * 100 / world.samples
    planned_CD, complete_CD = _fates(world, scores_CD, rng)
    truth = Truth(gains_C, these_C, samples_C)
    return Simulated(_table(world, of_draws, scores_CD, planned_CD, complete_CD), truth, by_sample)


def _encoder_effects(
    world: World, of_draws: list[tuple[int, int | None]], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the pretraining seeds add to each run, and to the mean of each cell over further runs with these encoders.

    Random weights are drawn anew for each run, and a baseline has none.
    """
    numbers = [replicate or 0 for _, replicate in of_draws]
    effects = (
        rng.normal(0, world.encoders, (len(PLACES), max(numbers) + 1))
        if world.encoders
        else np.zeros((len(PLACES), max(numbers) + 1))
    )
    effects[[place.method in ("baseline", "random_auxiliary") for place in PLACES]] = 0.0
    return effects[:, numbers], effects.mean(axis=1)


def _noise(world: World, of_draws: list[tuple[int, int | None]], rng: np.random.Generator) -> NDArray[np.float64]:
    """What runs vary by: a part that all runs of a target and draw share, and their own.

    Crossed with encoders, half of a run's own variance is that of its fine-tuning seed, whatever the encoders.
    """
    shape = (len(PLACES), len(of_draws))
    shared = rng.normal(0, BETWEEN_SEEDS, (len(MODALITIES), len(of_draws)))
    own = rng.standard_t(3, shape) / np.sqrt(3) if world.noise == "t3" else rng.normal(0, 1, shape)
    if world.layout == "crossed":
        of_seeds = rng.normal(0, 1, (len(PLACES), max(seed for seed, _ in of_draws) + 1))
        own = np.sqrt(0.5) * (own + of_seeds[:, [seed for seed, _ in of_draws]])
    if world.noise == "uneven":
        own = own * np.where(np.arange(len(PLACES)) % 3 == 0, 3.0, 1.0)[:, None]
    of_targets: list[str] = list(MODALITIES)
    return shared[[of_targets.index(place.target) for place in PLACES]] + world.spread * own


def _on_test_set(
    world: World, shifts_CD: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """The scores of runs on one test set per target, what that set adds to each cell's mean, and each run's answers.

    A cell answers as all of its target do, but for a share of samples that it answers by itself, in all of its runs. A run
    changes as many further answers, on any samples, as its shift from the common level says.
    """
    count, right = world.samples, LEVEL / 100
    share = 1 - np.sqrt(1 - DISAGREEMENT / (2 * right * (1 - right)))
    scores_CD, means_C, by_sample = np.empty_like(shifts_CD), np.empty(len(PLACES)), dict[str, NDArray[np.bool_]]()
    common: dict[str, NDArray[np.bool_]] = {target: rng.random(count) < right for target in MODALITIES}
    for index, place in enumerate(PLACES):
        own_S = np.where(rng.random(count) < share, rng.random(count) < right, common[place.target])
        means_C[index] = 100 * own_S.mean() - LEVEL
        for draw, shift in enumerate(shifts_CD[index]):
            answers_S = own_S.copy()
            changes = int(np.clip(round(shift * count / 100), -own_S.sum(), count - own_S.sum()))
            answers_S[rng.permutation(np.flatnonzero(own_S == (changes < 0)))[: abs(changes)]] = changes > 0
            by_sample[_run_id(index, draw)] = answers_S
            scores_CD[index, draw] = 100 * answers_S.mean()
    return scores_CD, means_C, by_sample


def _fates(world: World, scores_CD: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which runs were planned, and which are complete."""
    count = scores_CD.shape[1]
    planned_CD = np.ones_like(scores_CD, dtype=bool)
    if world.unequal:
        planned_CD = np.arange(count) < rng.integers(2, count + 1, len(PLACES))[:, None]
    planned_CD[[place.method == "own_apart" and not world.apart for place in PLACES]] = False
    complete_CD = rng.random(scores_CD.shape) >= world.missing
    if world.worst_fail:
        ranks_CD = scores_CD.argsort(axis=1).argsort(axis=1)
        complete_CD[PAIRS] &= ranks_CD[PAIRS] >= max(1, round(world.worst_fail * count))
    return planned_CD, complete_CD


def _table(
    world: World,
    of_draws: list[tuple[int, int | None]],
    scores_CD: NDArray[np.float64],
    planned_CD: NDArray[np.bool_],
    complete_CD: NDArray[np.bool_],
) -> pd.DataFrame:
    rows = []
    for index, draw in zip(*np.nonzero(planned_CD), strict=True):
        place, complete, (seed, replicate) = PLACES[index], complete_CD[index, draw], of_draws[draw]
        score = float(scores_CD[index, draw]) if complete else None
        weights = place.auxiliary if place.method in ("pathway", "own_lineage", "own_apart") else None
        state = "complete" if complete else "failed"
        metric = "map" if world.two_metrics and place.target in BY_MAP else "accuracy"
        rows.append((_run_id(index, draw), *place, seed, replicate, metric, state, score, score, weights))
    of_runs = ["seed", "replicate", "metric", "status", "test_score", "val_score", "auxiliary_weights"]
    names = ["run_id", *Place._fields, *of_runs]
    fixed = {"setting": "pretrained", "tuning": "full", "parts": "", "samples_sha256": "0" * 64}
    counted = world.samples if world.samples else None
    return pd.DataFrame(rows, columns=names, dtype=object).assign(**fixed, test_samples=counted)


def _run_id(index: int, draw: int) -> str:
    return f"{index}-{draw}"
