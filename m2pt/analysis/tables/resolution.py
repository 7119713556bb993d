"""What the seeds of a study can be relied on to show in a single pair, in sentences."""

from collections.abc import Sequence
from statistics import median

from m2pt.analysis.numbers.comparisons import Comparison, by_measure
from m2pt.analysis.numbers.evidence import Sureness
from m2pt.analysis.numbers.families import SIGNIFICANT
from m2pt.analysis.numbers.power import spread_bound
from m2pt.analysis.numbers.rounding import rounded
from m2pt.analysis.tables.phrases import counted, of_metric, seeds_of, upwards

LARGEST = 10.0
"""A size in points above which a difference that could be seen is no help: gains of auxiliaries are a few points, so a study that
can only see larger ones has too few seeds for its pairs. The number itself stays in the detail."""

_MOST = 100.0
"""No two scores differ by more points."""


def resolution(pairs: Sequence[Comparison], family: int) -> list[tuple[str, str]]:
    """For each metric of some pairs a sentence on what their seeds can be relied on to show, and the numbers behind it.

    A pair has the difference that it shows with a probability of 80 % at the strictest step of the correction. That depends on
    the spread, which few seeds estimate badly: the sentence takes its upper 90 % bound, and the detail has both.

    Args:
        pairs: the pairs against random weights.
        family: how many comparisons are corrected together.

    """
    groups = by_measure(pairs)
    made = [_of_metric(members, family, several=len(groups) > 1) for members in groups]
    return [said for said in made if said is not None]


def _of_metric(pairs: Sequence[Comparison], family: int, *, several: bool) -> tuple[str, str] | None:
    rows = [Sureness(item, SIGNIFICANT / family) for item in pairs if item.estimate.half_width is not None]
    known = [(row.comparison.estimate, row.detectable) for row in rows if row.detectable is not None]
    if not known:
        return None
    metric = pairs[0].measure
    sizes, widths = [size for _, size in known], [value.half_width or 0.0 for value, _ in known]
    size, unit, where = median(sizes), of_metric(metric), f" on a target measured by {metric}" if several else ""
    interval = f"The median interval of a pair against random weights is ± {rounded(median(widths), 2)} points{unit}."
    least = f"{upwards(size)} points{unit}"
    if size > LARGEST:
        seeds = seeds_of(max((value for value, _ in known), key=lambda value: value.n))
        claim = f"{seeds}{',' if ',' in seeds else ''} are too few to rely on seeing a difference in a single pair{where}."
    else:
        claim = f"In a single pair{where}, only a true difference of {least} or more can be relied on to be seen."
    if size > _MOST:
        return claim, interval
    estimated = median(each / spread_bound(1.0, value.units) for value, each in known)
    return claim, (
        f"{interval} In the median pair a true difference of {least} is shown in the table of gains with a "
        f"probability of 80 % or more, after the correction for {counted(family, 'comparison')}. That takes the spread between "
        f"seeds at its upper 90 % bound; if it is as estimated, {upwards(estimated)} points{unit} are enough."
    )
