"""What is measured: worlds, how often reports of their studies are wrong, and the bounds that they must keep."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .looking import declared, looking
from .measures import Measure
from .nightly import nightly
from .planning import needed, relied_on
from .reports import Difference, Report, report
from .studies import PLACES, Simulated, World, every_pair, one_pair, simulate

Counts = Iterator[tuple[Measure, float]]


@dataclass(frozen=True)
class Row:
    """Studies of one world, and what is counted in the report of each; `before` is what it was without one error rate."""

    name: str
    count: Callable[[int, np.random.Generator], Iterable[tuple[Measure, float]]]
    before: str = ""


NULL = World()
WITH_CONTROL = World(control=3.0)
HALF = 0.5
"""The standard deviation by which a pretraining seed moves a gain: a third of that of a paired difference."""

WORLDS = {
    "nothing": (NULL, "headline 9.3 % at 4 seeds; a star anywhere 21 %"),
    "nothing, but the control works": (WITH_CONTROL, ""),
    "heavy tails": (NULL.of(noise="t3"), ""),
    "some cells vary three times as much": (NULL.of(noise="uneven"), ""),
    "ties: whole samples of 1,000": (NULL.of(samples=1000), ""),
    "ties: whole samples of 500, spread below one": (NULL.of(samples=500, spread=0.15), ""),
    "15 % of runs missing at random": (NULL.of(missing=0.15), ""),
    "cells with different numbers of seeds": (NULL.of(unequal=True), ""),
    "the worst quarter of each pathway's runs fails": (NULL.of(worst_fail=0.25), "a gain of 0.4 shown"),
    "one pretraining seed": (NULL.of(layout="one", encoders=HALF), "16 % at 4 seeds, 38 % at 10"),
    "a pretraining seed for each seed": (NULL.of(layout="paired", encoders=HALF), ""),
    "fewer pretraining seeds than seeds": (NULL.of(layout="nested", encoders=HALF), ""),
    "pretraining seeds crossed with seeds": (NULL.of(layout="crossed", encoders=HALF), ""),
    "one test set of 1,000": (NULL.of(test_set=True, samples=1000), "85 % at 10 seeds"),
    "one test set, control works": (WITH_CONTROL.of(test_set=True, samples=1000), ""),
    "two controls and two metrics": (WITH_CONTROL.of(apart=True, two_metrics=True), ""),
    "one pair gains, the others do not": (WITH_CONTROL.of(gains=one_pair(4.0)), ""),
}


def of_world(world: World) -> Callable[[int, np.random.Generator], Counts]:
    """How often the report of a study of a world claims something false."""

    def count(seeds: int, rng: np.random.Generator) -> Counts:
        study = simulate(world, seeds, rng)
        yield from _false(study, report(study))

    return count


def _false(study: Simulated, said: Report) -> Counts:
    if study.sample_scores:  # claims about these test samples and about further ones have each an error rate by themselves
        for words, these in (("these", True), ("further", False)):
            wrong = [claim.is_false(study) for claim in said.primary if claim.these_samples == these]
            yield Measure(f"any false primary claim about {words} test samples"), float(any(wrong))
    else:
        yield Measure("any false primary claim"), float(any(claim.is_false(study) for claim in said.primary))
    yield Measure("false share of exploratory sentences"), _share(said.others, study)
    for table, stars in sorted(said.stars.items()):
        yield Measure(f"false share of stars, {table.lower()}"), _share(stars, study)
    if said.touched:
        yield Measure("missing runs announced", "at least", 1.0), said.announced / said.touched


def _share(claims: Sequence[Difference], study: Simulated) -> float:
    """The share of false ones; none where there are none."""
    return float(np.mean([claim.is_false(study) for claim in claims])) if claims else 0.0


INTEREST = {
    "a difference of 1 point as the smallest of interest": World(gains=every_pair(1.0), control=3.0),
    "no difference, 1 point as the smallest of interest": WITH_CONTROL,
}

POWER = {
    "twelve pairs gain 1 point": (World(gains=every_pair(1.0), control=3.0), ""),
    "one pair gains 4 points": (World(gains=one_pair(4.0), control=3.0), ""),
}

DEFAULT = World(apart=True, layout="paired")
"""Built as the default study: two positive controls, and encoders of its own for each seed."""
LINEAGE_SPREAD = 2.42
"""With this spread of runs, the average gain of the target's lineage varies by 1.71 points between seeds, as it did under the
longer training that the default study had."""

POWER_OF_DEFAULT = {
    "the default study, one pair gains 4 points": DEFAULT.of(gains=one_pair(4.0), control=3.0),
    "the default study, one pair gains 6 points": DEFAULT.of(gains=one_pair(6.0), control=3.0),
    "the default study, the target's lineage gains 5 points": DEFAULT.of(control=5.0, spread=LINEAGE_SPREAD),
    "the default study, the target's lineage gains 8 points": DEFAULT.of(control=8.0, spread=LINEAGE_SPREAD),
}


def of_power(world: World) -> Callable[[int, np.random.Generator], Counts]:
    """How often a report shows at its top that other modalities gain, and that auxiliaries of the target's lineage do."""
    others = set(world.gains)
    of_lineage = {place for place in PLACES if place.method == "own_lineage"}

    def count(seeds: int, rng: np.random.Generator) -> Counts:
        study = simulate(world, seeds, rng)
        said = report(study)
        true = [claim for claim in said.primary if claim.sign and not claim.is_false(study)]
        if others:
            yield Measure("a true claim about other modalities", "given"), float(any(others & _places(claim) for claim in true))
        if world.control:
            known = any(of_lineage & _places(claim) for claim in true)
            yield Measure("a true claim about the target's lineage", "given"), float(known)
        yield from _false(study, said)

    return count


def _places(claim: Difference) -> set[object]:
    return {first for first, _ in claim.compared}


def of_interest(world: World, smallest: float, questions: bool = False) -> Callable[[int, np.random.Generator], Counts]:
    """How often a report is wrong that compares the average with a smallest difference of interest, and answers questions."""

    def count(seeds: int, rng: np.random.Generator) -> Counts:
        study = simulate(world, seeds, rng)
        yield from _false(study, report(study, declared("fixed", seeds, smallest, questions)))

    return count


def rows() -> list[Row]:
    """All rows, in the order of the table of bounds."""
    made = [Row(name, of_world(world), before) for name, (world, before) in WORLDS.items()]
    made += [Row(name, of_interest(world, 1.0)) for name, world in INTEREST.items()]
    asks = "questions of its own, 1 point as the smallest of interest"
    return [
        *made,
        Row(asks, of_interest(WITH_CONTROL.of(apart=True, two_metrics=True), 1.0, questions=True)),
        Row("the nightly study, nothing has any effect", nightly, "a false sentence in 87 %"),
        Row("a seed is added until something is claimed, fixed seeds", partial(looking, NULL, design="fixed"), "32 to 43 %"),
        Row("a seed is added until something is claimed, sequential", partial(looking, WITH_CONTROL, design="sequential")),
        Row("what a pair can be relied on to show", partial(relied_on, NULL), "13 % at 4 seeds"),
        Row("the seeds that one point needs", partial(needed, NULL), "42 % at 4 seeds"),
        *(Row(name, of_power(world), before) for name, (world, before) in POWER.items()),
        *(Row(name, of_power(world)) for name, world in POWER_OF_DEFAULT.items()),
    ]
