"""What other packages say of the numbers that a study is judged by."""

from collections.abc import Iterable, Sequence

from statsmodels.stats.weightstats import DescrStatsW

from m2pt.analysis.numbers.draws import Draw


def equivalence(values: Sequence[float], margin: float) -> float:
    """The p-value that the mean lies within ± `margin`: two one-sided t tests, by statsmodels."""
    return float(DescrStatsW(values).ttost_mean(-margin, margin)[0])


def by_seed(values: Iterable[float | None]) -> dict[Draw, float | None]:
    """A number of each of the seeds 0, 1, 2, ..."""
    return {Draw(seed): value for seed, value in enumerate(values)}
