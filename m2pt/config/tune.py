"""The tuning of a sweep: the rates that each arm is trained with on seeds of their own, before fresh seeds compare the arms."""

import math
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Annotated

from pydantic import Field

from m2pt.config.base import Frozen, PositiveFloat, Seed, repeated

Rates = tuple[float, float | None]
"""A learning rate, and the factor on the learning rate of the scales (None: that of the study file)."""


class TuneConfig(Frozen):
    """How the rates of each arm are chosen: on validation data, from equally many values for every arm.

    An arm is a method on a target with an auxiliary. One rate for all of them favours the arm that it was chosen for
    (D. Rothermel et al., Don't Sweep your Learning Rate under the Rug, arXiv 2107.12460).
    """

    learning_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=2)]
    """Learning rates to try; the chosen one takes the place of `finetune.learning_rate`."""
    scale_lr_multiples: tuple[PositiveFloat, ...] = ()
    """Factors to try for the scales, each with every learning rate; the chosen one takes the place of
    `pathway.scale_lr_multiple`. An arm without trained scales tries as many values in all: further learning rates between those
    above."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """Seeds of the tuning runs; none of them may be in `sweep.seeds`."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        twice = list(repeated(self, "learning_rates", "scale_lr_multiples", "seeds"))
        yield from twice
        if not twice:
            try:
                self.grid(has_scales=False)
            except ValueError as error:
                yield str(error)

    @property
    def trials(self) -> int:
        """How many values each arm is trained with."""
        return len(self.learning_rates) * max(len(self.scale_lr_multiples), 1)

    def grid(self, has_scales: bool) -> tuple[Rates, ...]:
        """The values that an arm is trained with, in ascending order; equally many for an arm with and without trained scales."""
        rates = sorted(self.learning_rates)
        if has_scales:
            multiples: list[float | None] = [*sorted(self.scale_lr_multiples)] or [None]
            return tuple(product(rates, multiples))
        return tuple((rate, None) for rate in filled(rates, self.trials))


def filled(rates: list[float], number: int) -> list[float]:
    """Ascending rates with further ones between neighbours, `number` in all.

    Those between two neighbours are evenly spaced in the logarithm and rounded to as few digits (two at least) as keep all
    distinct. Each new one goes where the distance in the logarithm is largest.
    """
    widths = [round(math.log10(high / low), 9) for low, high in pairwise(rates)]
    between = [0] * len(widths)
    for _ in range(number - len(rates)):
        distances = [round(width / (count + 1), 9) for width, count in zip(widths, between, strict=True)]
        between[distances.index(max(distances))] += 1
    for digits in range(2, 16):
        made = [*rates[:1]]
        for (low, high), count in zip(pairwise(rates), between, strict=True):
            made += [float(f"{low * (high / low) ** (step / (count + 1)):.{digits}g}") for step in range(1, count + 1)]
            made.append(high)
        if all(low < high for low, high in pairwise(made)):
            return made
    ends = f"{rates[0]:g} and {rates[-1]:g}"
    raise ValueError(f"learning_rates: {number} values do not fit between {ends}; choose rates further apart")
