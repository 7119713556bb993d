"""Samples that mean nothing, in the range of their modality: to compare models on, or to show how samples look. Without torch."""

import numpy as np
from numpy.typing import NDArray

from m2pt.config import AudioInput, InputConfig, Modality, refuses_unknown
from m2pt.modalities.registry import SPECS


@refuses_unknown
def noise(modality: Modality, given: InputConfig, count: int) -> NDArray[np.float32]:
    """Samples (B, ...) of an input: noise in the range of its modality, the same each time."""
    x = np.random.default_rng(0).random((count, *given.sample_shape), dtype=np.float32)
    if isinstance(given, AudioInput):
        return (2 * x - 1) * np.float32(given.std) + np.float32(given.mean)
    low, high = SPECS[modality].range
    return x * np.float32(high - low) + np.float32(low)
