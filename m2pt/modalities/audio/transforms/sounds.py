"""Changes of a waveform in training: rolled, made louder or softer, mixed. Shape suffix: S samples in time."""

import numpy as np

from m2pt.modalities.audio.decoding.sounds import Waveform

MIXING = 10.0
"""The weight of a mixture and the change of level follow Beta(10, 10)."""


def rolled(sound_S: Waveform, generator: np.random.Generator) -> Waveform:
    """The sound from a random starting point on, its beginning after its end (AudioMAE, arXiv 2207.06405, table 3: "R").

    The released code draws the starting point from the number of channels instead of that of the samples: from 0 alone.
    """
    rolled_S: Waveform = np.roll(sound_S, -int(generator.integers(len(sound_S))))
    return rolled_S


def levelled(sound_S: Waveform, generator: np.random.Generator) -> Waveform:
    """The sound with its level multiplied by 0.5 + Beta(10, 10), as AudioMAE's code does where it rolls."""
    levelled_S: Waveform = sound_S * (0.5 + generator.beta(MIXING, MIXING))
    return levelled_S


def mixed(first_S: Waveform, second_S: Waveform, weight: float) -> Waveform:
    """`weight` of the first and the rest of the second sound, which is cut, or filled up with silence, to the first's length.

    Both are without their means, as in AST (arXiv 2104.01778) and AudioMAE.
    """
    first_S, second_S = first_S - first_S.mean(), second_S - second_S.mean()
    second_S = np.pad(second_S[: len(first_S)], (0, max(0, len(first_S) - len(second_S))))
    mixture_S: Waveform = weight * first_S + (1 - weight) * second_S
    return mixture_S
