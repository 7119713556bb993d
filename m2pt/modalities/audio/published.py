"""Filterbanks to tokens as in AudioMAE (arXiv 2207.06405): patches, fixed positions, a class token, patches left out in training.

Shapes: B batch, T positions in time, F positions in frequency, N = T * F tokens, K tokens kept, D width.
"""

import math

import torch
from torch import Tensor, nn

from m2pt.config import AudioAugment, AudioInput
from m2pt.layers import RowNoise, grid_sincos, initialise, moved
from m2pt.modalities.shared.features import Tokens
from m2pt.modalities.shared.patches import PatchGrid
from m2pt.modalities.shared.tokenizer import ChannelConstants, Tokenizer


class PublishedAudioTokenizer(Tokenizer):
    """Log-mel filterbanks (B, 1, frames, mels), normalised with the constants of the data set.

    `positions` (1 + N, D), with the class token's first, are a buffer: saved and loaded, never trained. In training, the
    fractions `drop_time` and `drop_frequency` of all positions in time and in frequency are left out, the same number in each
    sample: those that `kept` (B, K) does not name, decided for each batch by `draw`.
    """

    draws = True

    def __init__(self, config: AudioInput, width: int) -> None:
        super().__init__()
        self.constants = ChannelConstants((config.mean,), (config.std,))
        self.grid = PatchGrid(1, (1, config.frames, config.mels), (1, config.patch, config.patch))
        self.projection = nn.Linear(self.grid.num_values, width)
        self.class_token = nn.Parameter(torch.empty(width))
        places = grid_sincos(self.grid.counts[1], self.grid.counts[2], width)
        self.register_buffer("positions", torch.cat([torch.zeros(1, width), places]))
        self.drop_time = 0.0
        self.drop_frequency = 0.0
        self.kept: Tensor | None = None
        initialise(self.projection)
        nn.init.normal_(self.class_token, std=0.02)

    def take(self, augment: object) -> None:
        """Set which fractions are left out in training: none without an audio augmentation."""
        drops = (augment.drop_time, augment.drop_frequency) if isinstance(augment, AudioAugment) else (0.0, 0.0)
        self.drop_time, self.drop_frequency = drops
        self.kept = None

    def tokens(self, x: Tensor) -> Tokens:
        """The class token and the patches (in training those that are kept), with their positions."""
        positions = self.get_buffer("positions")
        patches = self.grid.cut(self.constants(x).unsqueeze(2))
        values_BND = self.projection(patches.values_BNP) + positions[1:]
        coordinates_BN3 = patches.coordinates_BN3
        if self.training and self.kept is not None:
            values_BND, coordinates_BN3 = self.drop(values_BND), self.drop(coordinates_BN3)
        first_B1D = (self.class_token + positions[0]).expand(len(x), 1, -1)
        return Tokens(torch.cat([first_B1D, values_BND], dim=1), coordinates_BN3, num_prefix=1)

    def draw(self, noise: RowNoise, device: torch.device) -> None:
        """Decide which patches of which samples of the next batch are kept in training.

        As in AudioMAE (section 3.3): of T positions in time, `int(T * (1 - drop_time))` are drawn, and likewise in frequency; a
        patch is kept if both its positions are.
        """
        kept = _kept(self, noise)
        self.kept = None if kept is None else moved(kept, device)

    def drop(self, x_BND: Tensor) -> Tensor:
        """The rows of each sample that `kept` names: (B, K, D).

        Raises:
            ValueError: they were decided for a batch of another size.

        """
        if self.kept is None:
            return x_BND
        if len(self.kept) != len(x_BND):
            raise ValueError(f"patches to keep were decided for {len(self.kept)} samples, the batch has {len(x_BND)}")
        return x_BND.gather(1, self.kept[..., None].expand(-1, -1, x_BND.shape[-1]))


def _kept(tokenizer: PublishedAudioTokenizer, noise: RowNoise) -> Tensor | None:
    """Indices (B, K) of the kept patches, in the order of their positions; None if all are kept."""
    if tokenizer.drop_time == 0 and tokenizer.drop_frequency == 0:
        return None
    _, times, bands = tokenizer.grid.counts
    chosen = [
        noise.uniform(f"drop {axis} tokenizer", count).argsort(dim=1)[:, : _remaining(count, fraction)].sort(dim=1).values
        for axis, count, fraction in (("time", times, tokenizer.drop_time), ("frequency", bands, tokenizer.drop_frequency))
    ]
    return (chosen[0][:, :, None] * bands + chosen[1][:, None, :]).flatten(1)


def _remaining(count: int, fraction: float) -> int:
    """At least one."""
    return max(math.floor(count * (1 - fraction) + 1e-6), 1)
