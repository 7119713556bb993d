"""Averages over several comparisons, one number per draw, where some runs are missing.

An average over pairs is the mean of the pairs' own means, each over the draws that the pair has: a missing run costs its pair a
draw, and nothing is put in its place. The uncertainty is that of the draws as wholes, because the pairs of a draw share runs:
draw by draw is left out and the mean computed anew (the delete-one jackknife: J. W. Tukey, Ann. Math. Statist. 29, 1958; with
groups of unequal size it is on the safe side, MacKinnon and White, J. Econometrics 29, 1985). Its pseudo-values are the one
number per draw. Where nothing is missing they are the means of the draws, to the last bit. By simulation, the t interval of the
pseudo-values covers 94.8 to 96.1 % with 3 to 10 draws of 12 pairs that lack 15 % of their runs at random.
"""

from collections.abc import Sequence

from m2pt.analysis.numbers.draws import Draw, in_order
from m2pt.analysis.numbers.statistics import BySeed, averaged

FEWEST = 2
"""A pair with fewer draws has no spread of its own, and is left out of an average, which says so."""


def measured(values: Sequence[BySeed]) -> list[int]:
    """The places of those that have draws enough to be averaged: one is enough where nothing is missing."""
    fewest = 1 if _complete(values) else FEWEST
    return [place for place, item in enumerate(values) if _count(item) >= fewest]


def balanced(values: Sequence[BySeed]) -> dict[Draw, float | None]:
    """One number per draw whose mean is the mean of the means of `values`; None where a draw has none of them.

    Args:
        values: what is averaged, e.g. the gains of several pairs, by draw; those with too few draws (`measured`) count for
        nothing.

    """
    if _complete(values):
        return averaged(values)
    draws = in_order(set[Draw]().union(*values))
    known = [_known(values[place]) for place in measured(values)]
    if not known:
        return dict.fromkeys(draws)
    there = [draw for draw in draws if any(draw in item for item in known)]
    whole = _mean_of_means(known)
    without = {
        draw: _mean_of_means([{key: value for key, value in item.items() if key != draw} for item in known]) for draw in there
    }
    count = len(there)
    return {draw: count * whole - (count - 1) * without[draw] if draw in without else None for draw in draws}


def _complete(values: Sequence[BySeed]) -> bool:
    """Whether each draw is in all of them or, without a number, in none."""
    draws = set[Draw]().union(*values)
    return all(len({item.get(draw) is None for item in values}) == 1 for draw in draws)


def _count(item: BySeed) -> int:
    return sum(value is not None for value in item.values())


def _known(item: BySeed) -> dict[Draw, float]:
    return {draw: value for draw, value in item.items() if value is not None}


def _mean_of_means(values: Sequence[BySeed]) -> float:
    means = [sum(known.values()) / len(known) for known in map(_known, values)]
    return sum(means) / len(means)
