"""Sounds as waveforms: read from files, rolled, made louder or softer, mixed. Shape suffixes: S samples in time, C channels."""

import math
import struct
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from m2pt.config import UserError

MIXING = 10.0
"""The weight of a mixture and the change of level follow Beta(10, 10)."""

Waveform = NDArray[np.float64]


def read_waveform(path: Path, sample_rate: int) -> Waveform:
    """(S,) samples at `sample_rate` (Hz), the mean of the channels; full scale is 1.

    Raises:
        UserError: the file is truncated, damaged, no sound, empty, or holds a number that is not finite.

    """
    damaged = f"{path}: is no whole sound file (truncated, damaged or of another format); restore the file."
    try:
        _refuse_truncated_wav(path)
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            sound_SC = file.read(dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise UserError(damaged) from error
    if len(sound_SC) < promised:
        raise UserError(damaged)
    if len(sound_SC) == 0:
        raise UserError(f"{path}: holds no sound; restore the file.")
    if not np.isfinite(sound_SC).all():
        raise UserError(f"{path}: holds a sample that is no finite number; repair or remove it.")
    sound_S: Waveform = sound_SC.mean(axis=1)
    if rate != sample_rate:
        common = math.gcd(rate, sample_rate)
        sound_S = resample_poly(sound_S, sample_rate // common, rate // common)
    return sound_S


def _refuse_truncated_wav(path: Path) -> None:
    """Raise ValueError for a RIFF file that is shorter than its header says, which libsndfile would read without a word."""
    with path.open("rb") as file:
        header = file.read(8)
    if header[:4] != b"RIFF":
        return
    (size,) = struct.unpack("<I", header[4:].ljust(4, b"\0"))
    # A writer that could not go back to fill in the size leaves the largest number there.
    if size != 0xFFFFFFFF and size + 8 > path.stat().st_size:
        raise ValueError("the file is shorter than its header says")


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
