"""What every modality's tokenizer offers. Shapes: B batch, N tokens, P values of one patch, D width."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from m2pt.encoder import initialise
from m2pt.modalities.patches import Patches, PatchGrid


class Tokenizer(nn.Module, ABC):
    """Turns samples into patches and patches into tokens. `num_values` is what a decoder predicts for each token."""

    num_tokens: int
    num_values: int

    @abstractmethod
    def patchify(self, x: Tensor) -> Patches:
        """Cut a batch of samples into patches with coordinates in [-1, 1]; has no parameters."""

    @abstractmethod
    def forward(self, values_BNP: Tensor) -> Tensor:
        """Embed patches: (B, N, ...) to tokens (B, N, D)."""

    def hidden(self, batch: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Which tokens a masked autoencoder hides: (B, N) bool, the same number in each sample, at least one each way."""
        order = torch.rand(batch, self.num_tokens, generator=generator).argsort(dim=1)
        count = min(max(round(ratio * self.num_tokens), 1), self.num_tokens - 1)
        return order < count


class GridTokenizer(Tokenizer):
    """The tokenizer of a signal on a grid: normalised with constants, cut into patches, projected linearly (as in ViT)."""

    def __init__(self, grid: PatchGrid, width: int, mean: float, std: float) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.grid = grid
        self.num_tokens = grid.counts[0] * grid.counts[1] * grid.counts[2]
        self.num_values = grid.num_values
        self.projection = nn.Linear(grid.num_values, width)
        initialise(self)

    def to_grid(self, x: Tensor) -> Tensor:
        """The samples as (B, C, T, H, W)."""
        return x

    def patchify(self, x: Tensor) -> Patches:
        """Cut a batch of samples into normalised patches."""
        return self.grid.cut((self.to_grid(x) - self.mean) / self.std)

    def forward(self, values_BNP: Tensor) -> Tensor:
        """Project patches (B, N, P) to tokens (B, N, D)."""
        tokens: Tensor = self.projection(values_BNP)
        return tokens
