import numpy as np
import pytest

from m2pt.analysis.numbers.sums import mean_and_spread


@pytest.mark.parametrize("count", range(1, 12))
def test_mean_and_spread_are_those_of_numpy_to_the_last_bit(count: int) -> None:
    rng = np.random.default_rng(count)
    for scale in (1e-6, 1.0, 1e6):
        for values in rng.normal(rng.choice([0, 50]), scale, (200, count)).tolist():
            spread = float(np.std(values, ddof=1)) if count > 1 else 0.0
            assert mean_and_spread(values) == (float(np.mean(values)), spread)
