"""What `m2pt.methods.cross_attention` does to a model; the declaration says where it is from."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.layers import LayerNorm
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


class Tower:
    """What the frozen blocks pass on: the tokens of the current batch, after the last block that has run."""

    def __init__(self) -> None:
        self.tokens: Tensor | None = None


class CrossBlock(nn.Module):
    """A block of the target, the tower's block at the same depth, and gated attention in which the first queries the second."""

    def __init__(self, block: nn.Module, beside: nn.Module, tower: Tower, width: int, heads: int, first: bool) -> None:
        super().__init__()
        self.block = block
        self.beside = beside.requires_grad_(False)
        self.norm = LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(()))
        self._tower = tower
        self._first = first

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        tower = self._tower
        tower.tokens = self.beside(x if self._first or tower.tokens is None else tower.tokens)
        attended, _ = self.attention(self.norm(x), tower.tokens, tower.tokens, need_weights=False)
        return cast(Tensor, self.block(x + self.gate.tanh() * attended))


def add_cross_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Pair each of the target's blocks with the auxiliary's block at the same depth."""
    (auxiliary,) = auxiliaries
    tower = Tower()
    with torch.random.fork_rng(devices=[]):
        pairs = list(zip(model.blocks, auxiliary.blocks, strict=True))
        model.blocks = nn.Sequential(
            *(
                CrossBlock(block, beside, tower, spec.model.width, spec.model.heads, first=index == 0)
                for index, (block, beside) in enumerate(pairs)
            )
        )
