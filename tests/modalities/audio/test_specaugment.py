"""Masks and noise on filterbanks."""

import numpy as np
import pytest

from m2pt.modalities.audio.transforms.specaugment import masked, noisy

BANK = np.random.default_rng(0).uniform(1, 2, (40, 24)).astype(np.float32)


def test_one_band_and_one_stretch_are_set_to_zero():
    bands, stretches, starts = [], [], []
    for seed in range(500):
        bank = masked(BANK, 8, 16, np.random.default_rng(seed))
        bins, frames = np.flatnonzero((bank == 0).all(axis=0)), np.flatnonzero((bank == 0).all(axis=1))
        for cells in (bins, frames):
            assert len(cells) == 0 or cells[-1] - cells[0] == len(cells) - 1
        expected = BANK.copy()
        expected[:, bins] = 0
        expected[frames] = 0
        assert np.array_equal(bank, expected)
        bands.append(len(bins))
        stretches.append(len(frames))
        starts.extend(frames[:1])
    # The length is the whole part of a uniform draw below the longest.
    assert set(bands) == set(range(8))
    assert set(stretches) == set(range(16))
    assert abs(np.mean(bands) - 3.5) < 0.4
    assert abs(np.mean(stretches) - 7.5) < 0.8
    assert min(starts) == 0
    assert max(starts) > 30


@pytest.mark.parametrize(("frequency", "time"), [(0, 16), (8, 0), (0, 0)])
def test_a_mask_of_zero_leaves_an_axis_alone(frequency, time):
    for seed in range(50):
        bank = masked(BANK, frequency, time, np.random.default_rng(seed))
        if frequency == 0:
            assert (bank != 0).any(axis=0).all()
        if time == 0:
            assert (bank != 0).any(axis=1).all()


def test_masks_may_be_longer_than_the_bank_and_leave_the_original_alone():
    before = BANK.copy()
    for seed in range(50):
        bank = masked(BANK, 200, 200, np.random.default_rng(seed))
        assert bank.shape == BANK.shape
    assert np.array_equal(BANK, before)


def test_noise_is_relative_to_the_normalised_filterbank():
    levels, shifts = [], []
    for seed in range(300):
        bank = noisy(BANK, 9.0, np.random.default_rng(seed))
        errors = [np.abs(np.roll(bank, -shift, axis=0) - BANK - 0.45).max() for shift in range(-10, 11)]
        shift = int(np.argmin(errors)) - 10
        added = np.roll(bank, -shift, axis=0) - BANK
        assert -1e-6 <= added.min()
        assert added.max() <= 0.9 + 1e-6
        levels.append(added.max())
        shifts.append(shift)
        assert bank.dtype == np.float32
    assert max(levels) > 0.8
    assert min(levels) < 0.1
    assert set(shifts) == set(range(-10, 10))
