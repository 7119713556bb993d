"""Rival: gated cross-attention from the target's tokens into a frozen auxiliary tower, gates at 0.

Sources: *Zipper* (arXiv 2405.18669, section 3): pretrained towers of two modalities joined by cross-attention layers; the gates
that start at 0 are Flamingo's (arXiv 2204.14198, section 2.2). The tower reads the target's own tokens, since the auxiliary's
modality gives none here.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.config import UserError
from m2pt.layers import LayerNorm
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.spec import RunSpec


class Tower:
    """The frozen blocks, and how far the tokens of the present batch have come in them."""

    def __init__(self) -> None:
        self.tokens: Tensor | None = None


class CrossBlock(nn.Module):
    """A block of the target, the tower's same block, and the gated attention from the one to the other."""

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


def cross_attention(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Put the auxiliary's blocks beside the target's."""
    (auxiliary,) = auxiliaries
    if spec.input.form != "shared":
        raise UserError(
            f"sweep.methods: cross_attention is for inputs of the shared form, {spec.target} is of the published one."
        )
    tower = Tower()
    with torch.random.fork_rng(devices=[]):
        pairs = list(zip(model.blocks, auxiliary.blocks, strict=True))
        model.blocks = nn.Sequential(
            *(
                CrossBlock(block, beside, tower, spec.model.width, spec.model.heads, first=index == 0)
                for index, (block, beside) in enumerate(pairs)
            )
        )
