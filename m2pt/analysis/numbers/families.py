"""Families of claims and their error rates: the one place that decides what a report may say is shown.

The **primary family** is the few claims at the top. Its family-wise error is 5 %: the chance that any of them is false. It is
tested by a graph of weights (Bretz, Maurer, Brannath and Posch, *A graphical approach to sequentially rejective multiple test
procedures*, Statistics in Medicine 28, 2009), of which Holm's procedure, the fixed sequence and the fallback procedure are
special cases.

Everything else is **exploratory**: each named family has a false discovery rate of 5 %, the expected share of false ones among
the differences that are called shown. It is that of Benjamini and Hochberg (*Controlling the False Discovery Rate*, J. R.
Statist. Soc. B 57, 1995). The comparisons of a family share their reference, so their test statistics are positively dependent,
where the procedure keeps its rate (Benjamini and Yekutieli, *The control of the false discovery rate in multiple testing under
dependency*, Ann. Statist. 29, 2001). The correction of that paper for dependence of any kind would cost a factor of 3 at twelve
comparisons, for a dependence that these do not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 0.05
"""The family-wise error of the primary family, and the false discovery rate of each exploratory one."""


def holds(adjusted_p: float | None) -> bool:
    """Whether a difference is shown at the error rate of its family; what was not tested is not."""
    return adjusted_p is not None and adjusted_p <= SIGNIFICANT


def discoveries(p_values: Sequence[float | None]) -> list[float | None]:
    """The adjusted p-values of one exploratory family (Benjamini and Hochberg).

    What was not tested (None) is no member of the family and stays None.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    smallest = 1.0
    for rank, (p, place) in zip(range(len(known), 0, -1), reversed(known), strict=True):
        smallest = min(smallest, p * (len(known) / rank))
        adjusted[place] = smallest
    return adjusted


@dataclass(frozen=True)
class Graph:
    """A graph of hypotheses.

    `weights` are the shares of the error rate that each hypothesis has at the start, at most 1 together. `transfers[i][j]` is the
    share of its weight that hypothesis i passes to j once it is rejected; a row has at most 1, and nothing for itself.
    """

    weights: tuple[float, ...]
    transfers: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Raise ValueError for what is no graph of the kind."""
        table, weights = np.array(self.transfers, dtype=float), np.array(self.weights)
        if table.shape != (len(weights), len(weights)):
            raise ValueError(f"{len(weights)} hypotheses need as many rows and columns of transfers, not {table.shape}")
        if (weights < 0).any() or weights.sum() > 1 + 1e-9:
            raise ValueError(f"weights are shares of one error rate, not {self.weights}")
        if (table < 0).any() or (table.sum(axis=1) > 1 + 1e-9).any() or table.diagonal().any():
            raise ValueError("a hypothesis passes on at most its own weight, and none to itself")


@dataclass(frozen=True)
class Tested:
    """What a graph says of each hypothesis.

    `adjusted_p`: at most 0.05 where the hypothesis is rejected with a family-wise error of 5 %; None where it was not tested.
    `weights`: the share of the error rate that each hypothesis was last tested at.
    """

    adjusted_p: tuple[float | None, ...]
    weights: tuple[float, ...]


def decide(graph: Graph, p_values: Sequence[float | None]) -> Tested:
    """Test the hypotheses of a graph one after the other (Algorithm 1 of Bretz et al. 2009, and its adjusted p-values).

    What could not be tested (None) is not rejected and keeps its weight: whether it can be tested may depend on the data.

    Args:
        graph: the hypotheses.
        p_values: one for each.

    """
    p = np.array([np.inf if value is None else value for value in p_values])
    weights, transfers = np.array(graph.weights, dtype=float), np.array(graph.transfers, dtype=float)
    left = np.ones(len(p), dtype=bool)
    adjusted: list[float | None] = [None if value is None else 1.0 for value in p_values]
    last = weights.copy()
    largest = 0.0
    while left.any():
        ratios = np.full(len(p), np.inf)
        np.divide(p, weights, out=ratios, where=left & (weights > 0))
        first = int(np.argmin(ratios))
        if not np.isfinite(ratios[first]):
            break
        largest = max(largest, float(ratios[first]))
        adjusted[first] = min(1.0, largest)
        if largest <= SIGNIFICANT:
            last[first] = weights[first]
        left[first] = False
        weights, transfers = _without(first, weights, transfers)
        if largest <= SIGNIFICANT:
            last[left] = weights[left]
    return Tested(tuple(adjusted), tuple(last.tolist()))


def _without(
    rejected: int, weights: NDArray[np.float64], transfers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The graph without one hypothesis: its weight goes along its arrows, and arrows through it go to where it pointed."""
    out, into = transfers[rejected], transfers[:, rejected]
    passed = weights + weights[rejected] * out
    passed[rejected] = 0.0
    through = transfers + np.outer(into, out)
    rest = 1 - into * out
    joined = np.divide(through, rest[:, None], out=np.zeros_like(through), where=rest[:, None] > 1e-12)
    # The formula for an arrow from l to k divides by 1 - g_lj g_jl: the share that does not come back to l.
    np.fill_diagonal(joined, 0.0)
    joined[rejected, :] = 0.0
    joined[:, rejected] = 0.0
    return passed, joined
