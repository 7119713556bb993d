"""Images to tokens: square patches, projected linearly (ViT, arXiv 2010.11929)."""

from torch import Tensor

from m2pt.config import ImageInput
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import GridTokenizer


class ImageTokenizer(GridTokenizer):
    """Images (B, C, H, W) in [0, 1]."""

    def __init__(self, config: ImageInput, width: int) -> None:
        super().__init__(
            PatchGrid(config.channels, (1, config.size, config.size), (1, config.patch, config.patch)),
            width,
            config.mean,
            config.std,
        )

    def to_grid(self, x: Tensor) -> Tensor:
        """Images as clips of one frame."""
        return x.unsqueeze(2)
