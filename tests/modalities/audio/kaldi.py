"""Kaldi's filterbank, computed anew in float64 from what Kaldi's documentation says of its features.

Frames of whole length only (snip_edges); in each: mean removed, pre-emphasis 0.97 (the first sample by itself), a window of the
kind 0.5 - 0.5 cos(2 pi n / (N - 1)), power spectrum of the next power of two, triangles that are linear in mel between 20 Hz and
half the rate (the last bin of the spectrum left out), natural logarithm with the smallest step of float32 as floor.
"""

import numpy as np

FLOOR = np.finfo(np.float32).eps


def mel(hertz):
    return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


def mel_filters(mels, size, rate):
    """(mels, size / 2): built filter by filter, bin by bin."""
    low, high = mel(20.0), mel(rate / 2)
    step = (high - low) / (mels + 1)
    filters = np.zeros((mels, size // 2))
    for row in range(mels):
        left, centre, right = low + row * step, low + (row + 1) * step, low + (row + 2) * step
        for column in range(size // 2):
            at = float(mel(column * rate / size))
            if left < at <= centre:
                filters[row, column] = (at - left) / (centre - left)
            elif centre < at < right:
                filters[row, column] = (right - at) / (right - centre)
    return filters


def log_mel(sound, mels, rate=16000, length=400, hop=160):
    """(frames, mels) of all whole frames."""
    sound = np.asarray(sound, dtype=np.float64)
    sound = sound - sound.mean()
    size = 1 << (length - 1).bit_length()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    starts = range(0, len(sound) - length + 1, hop)
    frames = np.stack([sound[start : start + length] for start in starts])
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - 0.97 * before) * window, n=size, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2)[:, : size // 2]
    return np.log(np.maximum(power @ mel_filters(mels, size, rate).T, FLOOR))
