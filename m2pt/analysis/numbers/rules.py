"""How the primary claims of a study are judged: by the design that it declares, and by its history."""

import math
from dataclasses import dataclass, replace

from m2pt.analysis.numbers import sequential
from m2pt.analysis.numbers.statistics import CONFIDENCE, Estimate

SHARED, TOO_FEW = "draws share encoders", "too few for a sequential design"
"""Why a sequential design has no interval."""


@dataclass(frozen=True)
class Rule:
    """How the primary claims of a study are judged.

    `planned` is the number of draws that a sequential design is made for, None for a fixed one. `smallest` is the smallest
    difference of interest in points, None where none was declared. With `refused` no claim is made, because the study's history
    does not allow it (`m2pt.runs.validity`).
    """

    planned: int | None = None
    smallest: float | None = None
    refused: bool = False

    def judged(self, item: Estimate) -> Estimate:
        """A mean with the interval and the p-value of the design, from those of a fixed one.

        A sequential design has no interval for so few draws that none of their t statistics could show anything, nor for draws
        that share replicates: a seed that is added to a replicate changes a number that was seen before. Where runs are missing,
        it counts no more draws than the mean has degrees of freedom for.
        """
        if self.planned is None or item.mean is None or item.half_width is None:
            return item
        if len(item.components) != 1 or 1 < item.replicates < item.n:
            return replace(item, half_width=None, p_value=None, components=(), lack=SHARED)
        error, n = math.sqrt(item.components[0].variance), item.units
        reach = sequential.critical(n, 1 - CONFIDENCE, self.planned)
        if math.isinf(reach):
            return replace(item, half_width=None, p_value=None, components=(), lack=TOO_FEW)
        p = sequential.p_value(item.mean / error, n, self.planned)
        dropped = item.dropped + item.n - n
        return replace(item, n=n, dropped=dropped, half_width=reach * error, p_value=p, components=())

    def half_width(self, judged: Estimate, level: float) -> float | None:
        """The half-width of the interval of a mean that was `judged`, at another level; None where there is none."""
        if self.planned is None or judged.half_width is None:
            return judged.half_width_at(1 - level)
        reach = sequential.critical(judged.n, level, self.planned)
        known = sequential.critical(judged.n, 1 - CONFIDENCE, self.planned)
        return None if math.isinf(reach) else judged.half_width * reach / known


FIXED = Rule()
"""That of a fixed design which nobody has looked at before."""
