"""Sequences of nested brackets, and the model that learns to close them: training for an encoder that sees no modality at all.

Source: *Can You Learn to See Without Images? Procedural Warm-Up for Vision Transformers* (arXiv 2511.13945): the language
k-Dyck with 64 kinds of brackets, whose symbols reach the blocks by a fixed code instead of a tokenizer; some are hidden and
must be named. LIME (arXiv 2101.06223) is earlier training on synthetic tasks: what is learned there is no knowledge of the data
that come later. Here every bracket is closed within its sequence, only closing ones are hidden (their kind follows from what is
seen), and positions have this project's code.

Shapes: B batch, N length of a sequence, V symbols without the mask, D width, H hidden symbols of a batch.
"""

import torch
from torch import Tensor, nn

from m2pt.config import ModelConfig, ProceduralPretrain
from m2pt.layers import fourier_positions, initialise
from m2pt.models.encoder import Encoder


def bracket_sequences(count: int, recipe: ProceduralPretrain, generator: torch.Generator) -> Tensor:
    """Balanced sequences (count, N) int64: kinds of opening brackets from 0, then in the same order their closing ones."""
    tokens_BN = torch.zeros(count, recipe.length, dtype=torch.int64)
    pending = torch.zeros(count, recipe.max_depth, dtype=torch.int64)  # the kinds of brackets that are open, outermost first
    depth_B, rows_B = torch.zeros(count, dtype=torch.int64), torch.arange(count)
    for place in range(recipe.length):
        must_close_B = (depth_B == recipe.max_depth) | (depth_B == recipe.length - place)
        likes_B = torch.rand(count, generator=generator) < recipe.opening
        kinds_B = torch.randint(recipe.kinds, (count,), generator=generator)
        opens_B = (likes_B | (depth_B == 0)) & ~must_close_B
        pending[rows_B[opens_B], depth_B[opens_B]] = kinds_B[opens_B]
        innermost_B = pending[rows_B, (depth_B - 1).clamp(min=0)]
        tokens_BN[:, place] = torch.where(opens_B, kinds_B, recipe.kinds + innermost_B)
        depth_B += torch.where(opens_B, 1, -1)
    return tokens_BN


def hidden_places(tokens_BN: Tensor, recipe: ProceduralPretrain, generator: torch.Generator) -> Tensor:
    """Which symbols are hidden, (B, N) bool: the same number of closing brackets in every sequence, at least one."""
    count = max(1, round(recipe.hidden * recipe.length / 2))
    draw_BN = torch.rand(tokens_BN.shape, generator=generator).masked_fill(tokens_BN < recipe.kinds, 2.0)
    return torch.zeros_like(draw_BN, dtype=torch.bool).scatter_(1, draw_BN.argsort(dim=1)[:, :count], True)


class BracketReader(nn.Module):
    """An encoder that names hidden brackets; what surrounds its blocks is discarded after training.

    The codes of symbols are fixed: random directions, orthogonal as far as the width allows, with entries of mean square 1.
    """

    def __init__(self, config: ModelConfig, recipe: ProceduralPretrain) -> None:
        super().__init__()
        self.mask = 2 * recipe.kinds
        codes = nn.init.orthogonal_(torch.empty(self.mask + 1, config.width))
        self.register_buffer("codes", nn.functional.normalize(codes, dim=1) * config.width**0.5)
        line = torch.zeros(recipe.length, 3)
        line[:, 0] = torch.linspace(-1, 1, recipe.length)
        self.register_buffer("positions", fourier_positions(line, config.width))
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, self.mask)
        initialise(self.head)

    def forward(self, tokens_BN: Tensor, hidden_BN: Tensor) -> Tensor:
        """Scores (H, V) of the symbols at the hidden places, row by row."""
        seen_BN = tokens_BN.masked_fill(hidden_BN, self.mask)
        encoded_BND = self.encoder(self.get_buffer("codes")[seen_BN] + self.get_buffer("positions"))
        scores: Tensor = self.head(encoded_BND[hidden_BN])
        return scores
