"""Images to tokens as in MAE (arXiv 2111.06377) and ViT: patches, learned positions, a class token in front."""

import torch
from torch import Tensor, nn

from m2pt.config import Head, ImageInput
from m2pt.layers import grid_sincos, initialise
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import ChannelConstants, Tokenizer


class PublishedImageTokenizer(Tokenizer):
    """Images (B, C, H, W) in [0, 1].

    `positions` (1 + N, D), with the class token's first, are learned, starting from MAE's fixed 2-D code; `class_token` (D,).
    A detector has no class token (ViTDet, arXiv 2203.16527).
    """

    def __init__(self, config: ImageInput, width: int) -> None:
        super().__init__()
        self.constants = ChannelConstants(config.mean, config.std)
        self.grid = PatchGrid(config.channels, (1, config.size, config.size), (1, config.patch, config.patch))
        self.projection = nn.Linear(self.grid.num_values, width)
        self.class_token: nn.Parameter | None = nn.Parameter(torch.empty(width))
        places = grid_sincos(self.grid.counts[1], self.grid.counts[2], width)
        self.positions = nn.Parameter(torch.cat([torch.zeros(1, width), places]))
        initialise(self.projection)
        nn.init.normal_(self.class_token, std=0.02)

    def adapt(self, head: Head) -> None:
        """As `Tokenizer.adapt`."""
        if head == "mask_rcnn":
            self.class_token = None

    @property
    def attention_grid(self) -> tuple[int, int]:
        """Rows and columns of the patches."""
        return self.grid.counts[1:]

    def tokens(self, x: Tensor) -> Tokens:
        """The class token and the patches, with their positions."""
        patches = self.grid.cut(self.constants(x).unsqueeze(2))
        values_BND = self.projection(patches.values_BNP) + self.positions[1:]
        if self.class_token is None:
            return Tokens(values_BND, patches.coordinates_BN3)
        first_B1D = (self.class_token + self.positions[0]).expand(len(x), 1, -1)
        return Tokens(torch.cat([first_B1D, values_BND], dim=1), patches.coordinates_BN3, num_prefix=1)
