"""Sounds as waveforms: read from files, rolled, made louder or softer, mixed. Shape suffixes: S samples in time, C channels."""

import io
import math
import struct
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from m2pt.config import Stereo, UserError, refuses_unknown
from m2pt.modalities.audio.mpeg import read_mpeg
from m2pt.modalities.audio.whole import require_whole_ogg, sized_wav

MIXING = 10.0
"""The weight of a mixture and the change of level follow Beta(10, 10)."""

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
"""libsndfile's names of the files of which it is known whether they are whole. It reads others too, and what is left of them."""

WAV_STARTS = (b"RIFF", b"RIFX", b"RF64", b"BW64")

RATES = (1_000, 1_000_000)
"""The rates (Hz) that a sound can have; a header with another one is damaged, and resampling could take any memory."""

Waveform = NDArray[np.float64]


@refuses_unknown
def read_waveform(path: Path, sample_rate: int, stereo: Stereo) -> Waveform:
    """(S,) samples at `sample_rate` (Hz): the first channel or the mean of all; full scale is 1.

    Values are those of torchaudio's loader, with which AudioMAE was trained: integers divided by their full scale, floats as they
    are. That recipe does not resample; here a file of another rate is.

    Raises:
        UserError: the file is truncated, damaged, no sound of a kind in `FORMATS`, empty, or holds a number that is not finite.

    """
    try:
        with path.open("rb") as file:
            content = file.read()
        sound_SC, rate = _decoded(path, content)
    except (soundfile.SoundFileError, av.FFmpegError, OSError, ValueError, LookupError, struct.error) as error:
        raise UserError(
            f"{path}: is no whole sound file (truncated, damaged or no WAV, FLAC, Ogg or MP3); restore the file."
        ) from error
    if len(sound_SC) == 0:
        raise UserError(f"{path}: holds no sound; restore the file.")
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"{path}: says that it has {rate} samples a second, which no sound has; restore the file.")
    if not np.isfinite(sound_SC).all():
        raise UserError(f"{path}: holds a sample that is no finite number; repair or remove it.")
    sound_S: Waveform = sound_SC[:, 0] if stereo == "first" else sound_SC.mean(axis=1)
    if rate != sample_rate:
        common = math.gcd(rate, sample_rate)
        sound_S = resample_poly(sound_S, sample_rate // common, rate // common)
    return sound_S


def _decoded(path: Path, content: bytes) -> tuple[NDArray[np.float64], int]:
    """(S, C) samples and their rate, read to the end that the file promises."""
    if content[:4] in WAV_STARTS:
        content = sized_wav(content)
    elif content[:4] == b"OggS":
        require_whole_ogg(content)
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        if file.format == "MP3":
            return read_mpeg(path)
        if file.format not in FORMATS:
            raise ValueError("a format of which is not known where it ends")
        rate, promised = file.samplerate, file.frames
        sound_SC = file.read(dtype="float64", always_2d=True)
    if len(sound_SC) < promised:
        raise ValueError("the sound ends early")
    return sound_SC, rate


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
