"""Changes of one filterbank during training: SpecAugment's masks (arXiv 1904.08779) and noise, as AudioMAE draws them.

Shape suffixes: T frames, M mel bins.
"""

import numpy as np
from numpy.typing import NDArray

JITTER = 10  # frames that a noisy filterbank is shifted by, at most
NOISE = 0.1  # the loudest noise, in units of the normalised filterbank

Bank = NDArray[np.float32]


def masked(bank_TM: Bank, frequency: int, time: int, generator: np.random.Generator) -> Bank:
    """One band of less than `frequency` bins and one stretch of less than `time` frames are set to 0; 0 leaves an axis alone.

    The length of a mask is uniform, and so is its place. It is set before the filterbank is normalised, so 0 is the value after
    the end of a short sound, and not the mean of the data set (AST, AudioMAE).
    """
    bank_TM = bank_TM.copy()
    for bank, longest in ((bank_TM.T, frequency), (bank_TM, time)):
        if longest:
            length = generator.random() * min(longest, len(bank))
            start = int(generator.random() * (len(bank) - length))
            bank[start : start + int(length)] = 0
    return bank_TM


def noisy(bank_TM: Bank, std: float, generator: np.random.Generator) -> Bank:
    """A filterbank that is not normalised yet, with uniform noise of a random level, rolled by up to 10 frames either way.

    AudioMAE adds `rand(T, M) * rand() / 10` after dividing by `std` (table 3: "N"; arXiv 2207.06405).
    """
    level = std * NOISE * generator.random()
    noisy_TM = bank_TM + (level * generator.random(bank_TM.shape)).astype(np.float32)
    return np.roll(noisy_TM, int(generator.integers(-JITTER, JITTER)), axis=0)
