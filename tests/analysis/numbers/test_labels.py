"""What a method is worth in labels: against Fieller's formula, closed forms, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from m2pt.analysis.numbers.draws import Draw
from m2pt.analysis.numbers.labels import Worth, worth


def by_seed(values):
    return {Draw(seed): None if value is None else float(value) for seed, value in enumerate(values)}


def fieller(score, low, high, numbers):
    """Fieller's interval of the ratio of two means with paired numbers: how far along the way between two numbers of labels."""
    top, bottom = np.asarray(score) - low, np.asarray(high) - low
    n, quantile = len(top), stats.t.ppf(0.975, len(top) - 1)
    covariance = np.cov(top, bottom) / n
    g = quantile**2 * covariance[1, 1] / bottom.mean() ** 2
    assert g < 1, "the denominator is significant, so the set is one interval"
    ratio = top.mean() / bottom.mean()
    centre = ratio - g * covariance[0, 1] / covariance[1, 1]
    root = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
    root -= g * (covariance[0, 0] - covariance[0, 1] ** 2 / covariance[1, 1])
    half = quantile / abs(bottom.mean()) * math.sqrt(root)
    return [numbers[0] * (numbers[1] / numbers[0]) ** ((centre + sign * half) / (1 - g)) for sign in (-1, 1)]


def test_between_two_numbers_the_interval_is_fiellers() -> None:
    low, high = [50.0, 51.5, 49.0, 50.5], [60.0, 62.0, 59.5, 60.0]
    score = [54.5, 56.5, 54.0, 55.5]
    found = worth(by_seed(score), 100, {100: by_seed(low), 400: by_seed(high)})
    assert found is not None
    assert found.equal == pytest.approx(100 * 4 ** (np.mean(np.subtract(score, low)) / np.mean(np.subtract(high, low))))
    assert (found.low, found.high) == pytest.approx(fieller(score, np.array(low), np.array(high), (100, 400)), rel=1e-5)
    assert (found.n, found.dropped, found.beyond) == (4, 0, 0)


def test_interpolation_is_linear_in_the_logarithm() -> None:
    """Half way between 100 and 400 labels are 200, which is worth 100 % more than 100."""
    noise = np.array([0.3, -0.3, 0.1, -0.1])
    found = worth(by_seed(55 + noise), 100, {100: by_seed(50 - noise), 400: by_seed(60 - noise)})
    assert found is not None and found.equal is not None
    assert found.equal == pytest.approx(200)
    assert found.more(found.equal) == pytest.approx(100)


def test_the_right_segment_is_taken_and_its_neighbours_too() -> None:
    noise = np.array([0.5, -0.5, 0.2, -0.2])
    curve = {100: by_seed(50 + 0 * noise), 200: by_seed(60 + 0 * noise), 400: by_seed(62 + 0 * noise)}
    found = worth(by_seed(60 + noise), 100, curve)
    assert found is not None and found.low is not None and found.high is not None
    half = stats.t.ppf(0.975, 3) * np.std(noise, ddof=1) / 2
    assert found.equal == pytest.approx(200)
    assert found.low == pytest.approx(100 * 2 ** (1 - half / 10), rel=1e-4), "downwards the curve is steep"
    assert found.high == pytest.approx(200 * 2 ** (half / 2), rel=1e-4), "upwards it is flat"


def test_nothing_is_extrapolated() -> None:
    noise = np.array([0.3, -0.3, 0.1, -0.1])
    curve = {100: by_seed(50 - noise), 400: by_seed(60 - noise)}
    above, below = worth(by_seed(70 + noise), 100, curve), worth(by_seed(40 + noise), 400, curve)
    assert above is not None and below is not None
    assert (above.equal, above.beyond, above.low, above.high) == (None, 1, 400, None), "more than 400, open upwards"
    assert (below.equal, below.beyond, below.low, below.high) == (None, -1, None, 100)
    near = worth(by_seed(59.8 + 3 * noise), 100, curve)
    assert near is not None
    assert near.low is not None and near.high is None, "the upper end is beyond what was measured, so it is open"


def test_a_curve_that_falls_is_made_monotone() -> None:
    """Pool-adjacent-violators: 60 and 58 become 59 each."""
    noise = np.array([0.2, -0.2, 0.1, -0.1])
    curve = {100: by_seed(50 + noise), 200: by_seed(60 + noise), 400: by_seed(58 + noise), 800: by_seed(69 + noise)}
    found = worth(by_seed(64 + noise), 100, curve)
    assert found is not None
    assert found.equal == pytest.approx(400 * 2 ** ((64 - 59) / (69 - 59)))


def test_draws_without_all_scores_are_left_out_and_counted() -> None:
    curve = {100: by_seed([50.0, 51.0, 50.0]), 400: by_seed([60.0, 62.0, None])}
    found = worth(by_seed([55.0, 56.5, 90.0, 90.0]), 100, curve)
    assert found is not None
    assert (found.n, found.dropped) == (2, 2)
    assert found.equal == pytest.approx(100 * 4 ** ((55.75 - 50.5) / (61 - 50.5)))
    alone = worth(by_seed([55.0]), 100, curve)
    assert alone is not None
    assert not alone.has_interval
    assert worth(by_seed([None, None, 55.0]), 100, curve) is None
    assert worth(by_seed([55.0]), 100, {100: by_seed([50.0])}) is None, "one number of labels is no curve"


def test_draws_that_share_an_encoder_count_as_one() -> None:
    """Four seeds over two replicates are two numbers: the interval is that of the two means."""

    def nested(values: list[float]) -> dict[Draw, float]:
        return {Draw(seed, seed % 2): value for seed, value in enumerate(values)}

    score, low, high = [55.0, 55.8, 55.2, 56.0], [50.0, 50.3, 50.2, 50.1], [60.0, 60.4, 60.2, 60.2]
    found = worth(nested(score), 100, {100: nested(low), 400: nested(high)})
    means = [[(values[i] + values[i + 2]) / 2 for i in (0, 1)] for values in (score, low, high)]
    of_means = worth(by_seed(means[0]), 100, {100: by_seed(means[1]), 400: by_seed(means[2])})
    assert found is not None and of_means is not None
    assert (found.equal, found.low, found.high) == pytest.approx((of_means.equal, of_means.low, of_means.high), nan_ok=True)
    assert found.covers_encoders and not of_means.covers_encoders
    one = worth(
        {Draw(seed, 0): 55.0 + seed for seed in range(3)}, 100, {n: {Draw(s, 0): 50.0 for s in range(3)} for n in (9, 99)}
    )
    assert one is not None and not one.has_interval, "one replicate is no sample of encoders"


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_as_often_as_it_says(seeds: int) -> None:
    """Simulated studies, seeds with a part in common; the true answer, 250 labels, is between two measured numbers."""
    draw = np.random.default_rng(7)
    numbers, true = (100, 200, 400), np.array([50.0, 56.0, 60.0])
    wanted = 56 + 4 * math.log2(250 / 200)
    hits, runs = 0, 400
    for _ in range(runs):
        shared = draw.normal(0, 1.5, seeds)
        curve = {n: by_seed(mean + shared + draw.normal(0, 1, seeds)) for n, mean in zip(numbers, true, strict=True)}
        found = worth(by_seed(wanted + shared + draw.normal(0, 1, seeds)), 100, curve)
        assert found is not None
        hits += covers(found, 250)
    assert hits / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


def covers(found: Worth, labels: float) -> bool:
    """An open end reaches beyond everything that was measured."""
    return (found.low is None or found.low <= labels) and (found.high is None or labels <= found.high)
