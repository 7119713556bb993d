"""Rankings, against Demšar's own example."""

import pytest

from m2pt.analysis.ranking import critical_difference, rank


def test_demsars_example():
    # Demšar (2006), section 3.2.2: four classifiers on 14 data sets, CD = 2.569 * sqrt(4 * 5 / (6 * 14)) = 1.25.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_ranks_share_ties_and_groups_are_neighbours():
    cases = range(12)
    scores = {"best": [9.0] * 12, "twin": [9.0] * 12, "middle": [5.0] * 12, "worst": [float(case % 2) for case in cases]}
    found = rank(scores)
    assert list(found.ranks)[-2:] == ["middle", "worst"]
    assert found.ranks["best"] == found.ranks["twin"] == 1.5
    assert found.p_value < 1e-3
    assert ("best", "twin") in [group[:2] for group in found.groups]
    assert not any({"best", "worst"} <= set(group) for group in found.groups)


def test_equal_methods_do_not_differ():
    found = rank({name: [1.0, 2.0, 3.0] for name in "abc"})
    assert found.p_value == 1.0
    assert found.groups == (("a", "b", "c"),)
    with pytest.raises(ValueError, match="at least three"):
        rank({"a": [1.0, 2.0], "b": [1.0, 2.0]})
