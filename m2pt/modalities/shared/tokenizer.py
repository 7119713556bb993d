"""The interface of every modality's tokenizer. Shapes: B batch, N tokens, P values of one patch, D width."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from m2pt.config import Head
from m2pt.layers import RowNoise, fourier_positions, initialise
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.patches import Patches, PatchGrid


class Tokenizer(nn.Module, ABC):
    """Turns samples into tokens for the encoder. `norm_epsilon` is the constant in the norms of the encoder it belongs to."""

    norm_epsilon = 1e-6
    draws = False
    """Whether `draw` must be called before a forward pass in training."""

    @property
    def attention_grid(self) -> tuple[int, int] | None:
        """Rows and columns of the patches if attention can have a learned bias for their displacements, else None."""
        return None

    def adapt(self, head: Head) -> None:
        """Adapt to the head, before any weights are loaded."""

    def take(self, augment: object) -> None:
        """Take the settings of a recipe's augmentation that apply to tokens."""

    def draw(self, noise: RowNoise, device: torch.device) -> None:
        """Make the random choices for the next batch in training."""

    @abstractmethod
    def tokens(self, x: Tensor) -> Tokens:
        """A batch of samples as tokens that carry their positions."""


class PatchTokenizer(Tokenizer):
    """A tokenizer of the shared form: patches, a fixed position code, no class token; can be pretrained by masking.

    `num_values` is what a decoder predicts for each token.
    """

    num_tokens: int
    num_values: int

    def tokens(self, x: Tensor) -> Tokens:
        """Patches, embedded, with the fixed position code."""
        patches = self.patchify(x)
        return Tokens(self.embed(patches), patches.coordinates_BN3)

    def embed(self, patches: Patches) -> Tensor:
        """Patches to tokens (B, N, D) that carry their positions."""
        tokens_BND: Tensor = self(patches.values_BNP)
        return tokens_BND + fourier_positions(patches.coordinates_BN3, tokens_BND.shape[-1])

    @abstractmethod
    def patchify(self, x: Tensor) -> Patches:
        """Cut a batch of samples into patches with coordinates in [-1, 1]; has no parameters."""

    @abstractmethod
    def forward(self, values_BNP: Tensor) -> Tensor:
        """Embed patches: (B, N, ...) to tokens (B, N, D)."""

    def hidden(self, batch: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Which tokens a masked autoencoder hides: (B, N) bool, the same number in each sample; never none or all."""
        order = torch.rand(batch, self.num_tokens, generator=generator).argsort(dim=1)
        count = min(max(round(ratio * self.num_tokens), 1), self.num_tokens - 1)
        return order < count


class ChannelConstants(nn.Module):
    """`(x - mean) / std` for (B, C, ...), with one constant for all channels or one for each; neither is saved."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        shape = (-1,) + (1,) * (x.ndim - 2)
        return (x - self.get_buffer("mean").view(shape)) / self.get_buffer("std").view(shape)


class GridTokenizer(PatchTokenizer):
    """The tokenizer of a signal on a grid: normalised with constants, cut into patches, projected linearly (as in ViT)."""

    def __init__(self, grid: PatchGrid, width: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.constants = ChannelConstants(mean, std)
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
        return self.grid.cut(self.constants(self.to_grid(x)))

    def forward(self, values_BNP: Tensor) -> Tensor:
        """Project patches (B, N, P) to tokens (B, N, D)."""
        tokens: Tensor = self.projection(values_BNP)
        return tokens
