"""What other packages say of the numbers that a study is judged by."""

from collections.abc import Sequence

from statsmodels.stats.weightstats import DescrStatsW


def equivalence(values: Sequence[float], margin: float) -> float:
    """The p-value that the mean lies within ± `margin`: two one-sided t tests, by statsmodels."""
    return float(DescrStatsW(values).ttost_mean(-margin, margin)[0])
