"""Kaldi's log-mel filterbanks. Shape suffixes: S samples in time, T frames, L samples of a frame, F frequencies, M mel bins."""

import math
from functools import lru_cache
from typing import cast

import kaldi_native_fbank
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from m2pt.config import AudioInput

MIN_FRAME_MS = 25.0
"""A frame is 25 ms long, as in the recipes for AudioSet (every 10 ms), or two hops where hops are longer."""

PRE_EMPHASIS = 0.97
LOWEST_HZ = 20.0
FLOOR = float(np.finfo(np.float32).eps)


def filterbank(sound_S: NDArray[np.float64], config: AudioInput) -> NDArray[np.float32]:
    """(T, M) log-mel energies of the first `frames` frames of a sound without its mean; zeros after the end of a short one.

    As in AST (arXiv 2104.01778) and AudioMAE (arXiv 2207.06405): Hanning window, mel scale from 20 Hz to half the sample rate,
    pre-emphasis 0.97, no energy, no dither, only frames that are completely inside the sound.
    """
    frame_ms = max(MIN_FRAME_MS, 2 * config.hop_ms)
    # A sound shorter than one frame still gives one.
    sound_S = np.pad(sound_S - sound_S.mean(), (0, max(0, math.ceil(frame_ms * config.sample_rate / 1000) - len(sound_S))))
    length = int(config.sample_rate * 0.001 * frame_ms)
    filters_MF = _filters(config.mels, 1 << (length - 1).bit_length(), config.sample_rate)
    # Kaldi refuses as many filters as AudioMAE has (128 over 256 frequencies): some of them are between two frequencies.
    refused = bool((np.diff(filters_MF.indptr) == 0).any())
    found_TM = _with_gaps(sound_S, length, filters_MF, config) if refused else _by_library(sound_S, frame_ms, config)
    frames_TM = np.zeros((config.frames, config.mels), dtype=np.float32)
    frames_TM[: len(found_TM)] = found_TM
    return frames_TM


def _by_library(sound_S: NDArray[np.float64], frame_ms: float, config: AudioInput) -> NDArray[np.float32]:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = config.sample_rate
    options.frame_opts.frame_length_ms = frame_ms
    options.frame_opts.frame_shift_ms = config.hop_ms
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = config.mels
    options.htk_compat = True
    options.use_energy = False
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(config.sample_rate, sound_S.astype(np.float32))
    bank.input_finished()
    return np.stack([bank.get_frame(index) for index in range(min(bank.num_frames_ready, config.frames))])


def _with_gaps(sound_S: NDArray[np.float64], length: int, filters_MF: csr_array, config: AudioInput) -> NDArray[np.float32]:
    """The same if a filter may cover no frequency at all: its energy is then 0, and its logarithm that of the floor.

    torchaudio, with which AST and AudioMAE were made, does the same.
    """
    hop = int(config.sample_rate * 0.001 * config.hop_ms)
    frames_TL = np.lib.stride_tricks.sliding_window_view(sound_S, length)[::hop][: config.frames]
    frames_TL = frames_TL - frames_TL.mean(axis=1, keepdims=True)
    before_TL = np.concatenate([frames_TL[:, :1], frames_TL[:, :-1]], axis=1)
    window_L = 0.5 - 0.5 * np.cos(2 * np.pi / (length - 1) * np.arange(length))
    spectrum_TF = np.fft.rfft((frames_TL - PRE_EMPHASIS * before_TL) * window_L, 2 * filters_MF.shape[1])[:, :-1]
    power_TF = spectrum_TF.real**2 + spectrum_TF.imag**2
    return cast(NDArray[np.float32], np.log(np.maximum((filters_MF @ power_TF.T).T, FLOOR)).astype(np.float32))


@lru_cache
def _filters(mels: int, size: int, sample_rate: int) -> csr_array:
    """(M, F) triangles over mel, for the first half of a spectrum of `size` frequencies; sparse, so that sums have one order."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(sample_rate / 2), mels + 2)[:, None]
    mel_F = _mel(np.arange(size // 2) * (sample_rate / size))
    rising_MF = (mel_F - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling_MF = (edges[2:] - mel_F) / (edges[2:] - edges[1:-1])
    return csr_array(np.maximum(0.0, np.minimum(rising_MF, falling_MF)))


def _mel(hertz: ArrayLike) -> NDArray[np.float64]:
    return 1127.0 * np.log(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0)
