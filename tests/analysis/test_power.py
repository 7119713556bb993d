"""What seeds can show, against worked examples and simulation."""

import numpy as np
import pytest

from m2pt.analysis.power import detectable, equivalence, power, seeds_needed, spread_of
from m2pt.analysis.statistics import estimate


def test_the_classical_paired_example():
    # G*Power 3.1, t tests, difference between two dependent means, two tails: dz = 0.5, alpha = .05, power = .80 gives n = 34.
    assert seeds_needed(0.5, 1.0) == 34
    assert power(0.5, 1.0, 34) == pytest.approx(0.8078, abs=5e-4)
    assert power(0.5, 1.0, 33) < 0.8


def test_power_is_the_share_of_studies_that_see_the_effect():
    rng = np.random.default_rng(0)
    seen = sum(estimate(rng.normal(1.5, 1.0, 5)).sign == 1 for _ in range(4000)) / 4000
    assert power(1.5, 1.0, 5) == pytest.approx(seen, abs=0.02)


def test_what_is_detectable_has_the_wanted_power_and_no_effect_the_level():
    for n in (3, 5, 10):
        assert power(detectable(2.0, n), 2.0, n) == pytest.approx(0.8, abs=1e-6)
        assert power(0.0, 2.0, n) == pytest.approx(0.05, abs=1e-9)
    assert detectable(2.0, 5) < detectable(2.0, 3)
    assert detectable(2.0, 1) is None
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-3, 1.0) is None


def test_equivalence_is_shown_only_well_within_the_margin():
    values = [0.1, -0.2, 0.0, 0.15, -0.05]
    assert equivalence(values, 1.0) < 0.001
    assert equivalence(values, 0.05) > 0.05
    assert equivalence([value + 1.0 for value in values], 1.0) == pytest.approx(0.5, abs=1e-9)
    assert equivalence([1.0], 1.0) is None
    assert equivalence([0.5, 0.5], 1.0) == 0.0


def test_the_spread_comes_back_from_the_interval():
    values = [1.0, 2.5, 0.5, 3.0]
    assert spread_of(estimate(values).half_width, 4) == pytest.approx(np.std(values, ddof=1))
