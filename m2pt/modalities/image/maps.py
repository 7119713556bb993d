"""The embedding map of an image: the image (UniRepLKNet, arXiv 2311.15599, section 3.3)."""

from m2pt.config import ImageInput
from m2pt.modalities.shared.maps import GridMap


class ImageMap(GridMap):
    """Images (B, C, H, W) in [0, 1], normalised."""

    def __init__(self, config: ImageInput) -> None:
        super().__init__(config.channels, config.mean, config.std)
