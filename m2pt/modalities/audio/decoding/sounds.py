"""Sound files as waveforms. Shape suffixes: S samples in time, C channels."""

import io
import math
import struct
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from m2pt.config import Stereo, UserError, refuses_unknown
from m2pt.modalities.audio.decoding.mpeg import read_mpeg
from m2pt.modalities.audio.decoding.whole import require_whole_ogg, sized_wav

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
"""libsndfile's names of the formats whose completeness can be checked. It also reads others, even if they are truncated."""

WAV_STARTS = (b"RIFF", b"RIFX", b"RF64", b"BW64")

BLOCK = 2**22
"""Samples of a channel that are read at once."""

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
            f"{path}: is not a complete sound file (truncated, damaged or no WAV, FLAC, Ogg or MP3); restore the file."
        ) from error
    if len(sound_SC) == 0:
        raise UserError(f"{path}: holds no sound; restore the file.")
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"{path}: says that it has {rate} samples a second, which no sound has; restore the file.")
    if not np.isfinite(sound_SC).all():
        raise UserError(f"{path}: holds a sample that is not a finite number; repair or remove it.")
    sound_S: Waveform = sound_SC[:, 0] if stereo == "first" else sound_SC.mean(axis=1)
    if rate != sample_rate:
        from scipy.signal import resample_poly  # a second to import, and most sounds have the rate that is wanted

        common = math.gcd(rate, sample_rate)
        sound_S = resample_poly(sound_S, sample_rate // common, rate // common)
    return sound_S


def _decoded(path: Path, content: bytes) -> tuple[NDArray[np.float64], int]:
    """(S, C) samples and their rate, read to the end that the file declares."""
    if content[:4] in WAV_STARTS:
        content = sized_wav(content)
    elif content[:4] == b"OggS":
        require_whole_ogg(content)
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        if file.format == "MP3":
            return read_mpeg(path)
        if file.format not in FORMATS:
            raise ValueError("a format of which is not known where it ends")
        return _whole(file), file.samplerate


def _whole(file: soundfile.SoundFile) -> NDArray[np.float64]:
    """(S, C) samples of a file that has all that its header promises.

    They are read in blocks: a damaged header may promise more than any memory holds, and room is made for a block at once.
    """
    blocks, missing = [np.empty((0, file.channels))], file.frames
    while missing > 0:
        block_SC = file.read(min(BLOCK, missing), dtype="float64", always_2d=True)
        if len(block_SC) == 0:
            raise ValueError("the sound ends early")
        blocks.append(block_SC)
        missing -= len(block_SC)
    return np.concatenate(blocks)
