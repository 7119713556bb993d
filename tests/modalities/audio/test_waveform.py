"""Rolling, levels and mixing of waveforms."""

import numpy as np

from m2pt.modalities.audio.transforms.sounds import levelled, mixed, rolled

RNG = np.random.default_rng(0)


def test_rolling_moves_the_sound_and_changes_nothing_else():
    sound = RNG.standard_normal(500)
    shifts = [np.roll(sound, -shift) for shift in range(500)]
    starts = []
    for seed in range(400):
        moved = rolled(sound, np.random.default_rng(seed))
        starts += [start for start, shifted in enumerate(shifts) if np.array_equal(moved, shifted)]
    assert len(starts) == 400 and sum(start == 0 for start in starts) < 10
    assert min(starts) < 25 and max(starts) > 475


def test_the_level_is_half_to_one_and_a_half_by_a_beta_distribution():
    sound = RNG.standard_normal(50)
    levels = []
    for seed in range(400):
        changed = levelled(sound, np.random.default_rng(seed))
        levels.append(changed[0] / sound[0])
        np.testing.assert_allclose(changed, sound * levels[-1], rtol=1e-12)
    assert 0.5 <= min(levels) < 0.8 and 1.2 < max(levels) <= 1.5
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
