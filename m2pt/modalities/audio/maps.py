"""The embedding map of a sound: its filterbank as a picture of one channel (UniRepLKNet, arXiv 2311.15599, section 3.3)."""

from m2pt.config import AudioInput
from m2pt.modalities.shared.maps import GridMap


class AudioMap(GridMap):
    """Log-mel filterbanks (B, 1, frames, mels), normalised: the height is time, the width is frequency."""

    def __init__(self, config: AudioInput) -> None:
        super().__init__(1, (config.mean,), (config.std,))
