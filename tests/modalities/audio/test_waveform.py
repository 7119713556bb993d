"""Rolling and mixing of waveforms."""

import numpy as np

from m2pt.modalities.audio.waveform import mixed, rolled

RNG = np.random.default_rng(0)


def test_rolling_moves_the_sound_keeps_its_content_and_changes_its_level():
    sound = RNG.standard_normal(500)
    shifts = np.stack([np.roll(sound, -shift) for shift in range(500)])
    starts, levels = [], []
    for seed in range(400):
        moved = rolled(sound, np.random.default_rng(seed))
        start = int((shifts @ moved).argmax())
        level = moved[0] / sound[start]
        np.testing.assert_allclose(moved, np.roll(sound, -start) * level, rtol=1e-12)
        starts.append(start)
        levels.append(level)
    assert sum(start == 0 for start in starts) < 10
    assert min(starts) < 25
    assert max(starts) > 475
    assert 0.5 <= min(levels) < 0.8
    assert 1.2 < max(levels) <= 1.5
    assert abs(np.mean(levels) - 1.0) < 0.02
    # Beta(10, 10) has a standard deviation of 1 / sqrt(84).
    assert abs(np.std(levels) - 84**-0.5) < 0.02


def test_a_mixture_has_both_sounds_without_their_means():
    first, second = RNG.standard_normal(100) + 3, RNG.standard_normal(100) - 2
    np.testing.assert_allclose(mixed(first, second, 0.3), 0.3 * (first - first.mean()) + 0.7 * (second - second.mean()))


def test_a_mixture_is_as_long_as_the_first_sound():
    first, second = RNG.standard_normal(100), RNG.standard_normal(160)
    np.testing.assert_allclose(mixed(first, second, 0.3), 0.3 * (first - first.mean()) + 0.7 * (second - second.mean())[:100])
    mixture = mixed(second, first, 0.3)
    np.testing.assert_allclose(mixture[100:], 0.3 * (second - second.mean())[100:])
    np.testing.assert_allclose(mixture[:100], 0.3 * (second - second.mean())[:100] + 0.7 * (first - first.mean()))
