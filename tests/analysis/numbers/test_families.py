"""Error rates of families: graphs of hypotheses and false discovery rates, against published results and the closed procedure."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from m2pt.analysis.numbers import families
from m2pt.analysis.numbers.families import Graph, decide, discoveries

GATES = Graph((0.5, 0.5, 0, 0), ((0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 0, 0), (1, 0, 0, 0)))
"""Two doses with two endpoints each: Bretz et al. 2011, Biometrical Journal 53, Figure 1."""


def _holm(count: int) -> Graph:
    rows = [tuple(0.0 if one == other else 1 / (count - 1) for other in range(count)) for one in range(count)]
    return Graph((1 / count,) * count, tuple(rows))


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # Results of the R package graphicalMCP for this graph, from its documentation.
        ((0.018, 0.01, 0.105, 0.006), (0.02, 0.02, 0.105, 0.02)),
        ((0.01, 0.02, 0.03, 0.05), (0.02, 0.04, 0.06, 0.06)),
        ((0.024, 0.01, 0.026, 0.027), (0.048, 0.02, 0.052, 0.052)),
    ],
)
def test_a_published_graph_gives_its_published_p_values(p_values: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    assert decide(GATES, p_values).adjusted_p == pytest.approx(adjusted)


def test_holms_procedure_is_a_graph() -> None:
    for seed in range(3):
        p_values = np.random.default_rng(seed).uniform(0, 0.1, 6)
        expected = multipletests(p_values, method="holm")[1]
        assert decide(_holm(6), p_values.tolist()).adjusted_p == pytest.approx(expected)


def test_the_fixed_sequence_is_a_graph() -> None:
    graph = Graph((1, 0, 0), ((0, 1, 0), (0, 0, 1), (0, 0, 0)))
    for p_values in ((0.01, 0.03, 0.02), (0.2, 0.001, 0.001), (0.04, 0.06, 0.001)):
        assert decide(graph, p_values).adjusted_p == pytest.approx(np.maximum.accumulate(p_values))


def test_the_fallback_procedure_is_a_graph() -> None:
    graph = Graph((0.5, 0.3, 0.2), ((0, 1, 0), (0, 0, 1), (0, 0, 0)))
    # Wiens 2003: each hypothesis has its own share, and that of the one before it if that one is rejected.
    rejected = [families.holds(p) for p in decide(graph, (0.02, 0.039, 0.049)).adjusted_p]
    assert rejected == [True, True, True]
    rejected = [families.holds(p) for p in decide(graph, (0.03, 0.014, 0.024)).adjusted_p]
    assert rejected == [False, True, True]
    rejected = [families.holds(p) for p in decide(graph, (0.03, 0.016, 0.009)).adjusted_p]
    assert rejected == [False, False, True]


def _closed(graph: Graph, p_values: Sequence[float]) -> list[float]:
    """The closed procedure, written down plainly: the largest p-value of all intersections that hold a hypothesis."""
    everyone = range(len(p_values))
    adjusted = [0.0] * len(p_values)
    for size in range(1, len(p_values) + 1):
        for kept in combinations(everyone, size):
            weights, arrows = list(graph.weights), [list(row) for row in graph.transfers]
            for gone in (item for item in everyone if item not in kept):
                new = [[0.0] * len(p_values) for _ in everyone]
                for a in everyone:
                    for b in everyone:
                        loop = arrows[a][gone] * arrows[gone][a]
                        if a != b and gone not in (a, b) and loop < 1:
                            new[a][b] = (arrows[a][b] + arrows[a][gone] * arrows[gone][b]) / (1 - loop)
                weights = [0.0 if a == gone else weights[a] + weights[gone] * arrows[gone][a] for a in everyone]
                arrows = new
            p = min([1.0, *(p_values[item] / weights[item] for item in kept if weights[item] > 1e-12)])
            adjusted = [max(known, p) if place in kept else known for place, known in enumerate(adjusted)]
    return adjusted


def test_the_steps_give_what_the_closed_procedure_gives() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        weights = rng.dirichlet(np.ones(5))
        arrows = rng.uniform(0, 1, (5, 5)) * (rng.uniform(0, 1, (5, 5)) < 0.6)
        np.fill_diagonal(arrows, 0)
        arrows /= np.maximum(arrows.sum(axis=1, keepdims=True), 1)
        graph = Graph(tuple(weights), tuple(map(tuple, arrows)))
        p_values = rng.uniform(0, 0.2, 5).tolist()
        assert decide(graph, p_values).adjusted_p == pytest.approx(_closed(graph, p_values))


def test_what_was_not_tested_is_not_rejected_and_keeps_its_share() -> None:
    result = decide(_holm(3), (None, 0.02, 0.03))
    assert result.adjusted_p == (None, pytest.approx(0.06), pytest.approx(0.06))


def test_a_rejected_hypothesis_raises_the_level_of_the_others() -> None:
    result = decide(GATES, (0.01, 0.9, 0.9, 0.9))
    assert result.weights == pytest.approx((0.5, 0.5, 0.5, 0))
    assert decide(GATES, (0.9, 0.9, 0.9, 0.9)).weights == pytest.approx((0.5, 0.5, 0, 0))


@pytest.mark.parametrize(
    ("weights", "transfers"),
    [((0.5, 0.6), ((0, 1), (1, 0))), ((0.5, 0.5), ((0.5, 0.5), (1, 0))), ((0.5, 0.5), ((0, 1.1), (1, 0))), ((1,), ((0, 0),))],
)
def test_what_is_no_graph_is_refused(weights: tuple[float, ...], transfers: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"weights|weight|hypotheses"):
        Graph(weights, transfers)


def test_discoveries_are_those_of_statsmodels_and_leave_out_what_was_not_tested() -> None:
    p_values = np.random.default_rng(0).uniform(0, 0.2, 30)
    assert discoveries(p_values.tolist()) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])
    assert discoveries([None, 0.02, None, 0.04]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert discoveries([None]) == [None] and discoveries([]) == []


def test_discoveries_on_the_example_of_benjamini_and_hochberg() -> None:
    # Benjamini and Hochberg 1995, section 4: fifteen comparisons, four are shown at 5 % (Bonferroni shows three).
    p_values = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert sum(families.holds(p) for p in discoveries(p_values)) == 4
