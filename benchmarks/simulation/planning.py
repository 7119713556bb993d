"""What the report says of power: what a pair can be relied on to show, and the seeds that a difference of one point needs."""

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from .measures import Measure
from .reports import Difference, report
from .studies import BETWEEN_RUNS, PAIRS, PLACES, Place, World, one_pair, simulate

WANTED = 0.8
COMPARISONS = 16
"""The gains over random weights of a study: twelve pairs and four controls."""

_SPREAD = BETWEEN_RUNS * math.sqrt(2)


def relied_on(world: World, seeds: int, rng: np.random.Generator) -> Iterator[tuple[Measure, float]]:
    """Whether another study shows a pair that has the difference which a report says can be relied on to be seen."""
    stated = report(simulate(world, seeds, rng)).resolution
    if stated is None:
        return
    pair = PLACES[PAIRS[0]]
    shown = report(simulate(world.of(gains=one_pair(stated)), seeds, rng)).stars["Gain over random weights"]
    gained = Difference(((pair, Place(pair.target, "random_auxiliary", "random")),), 1, these_encoders=True, these_samples=True)
    yield Measure("a pair with the stated difference is shown", "at least", WANTED), float(gained in shown)


def needed(world: World, seeds: int, rng: np.random.Generator) -> Iterator[tuple[Measure, float]]:
    """How many of the stated numbers of seeds for one point have the power that they are stated for."""
    stated = [number for number in report(simulate(world, seeds, rng), sure=True).for_point if number is not None]
    if stated:
        enough = [math.isinf(number) or power(int(number)) >= WANTED for number in stated]
        yield Measure("stated seeds for one point that suffice", "at least", WANTED), float(np.mean(enough))


def power(seeds: int) -> float:
    """The chance to show one point at the strictest step of the correction; the other tail is left out, which is tiny."""
    reach = stats.t.ppf(1 - 0.05 / COMPARISONS / 2, seeds - 1)
    return float(stats.nct.sf(reach, seeds - 1, math.sqrt(seeds) / _SPREAD))
