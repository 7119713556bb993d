"""A block of a ViT as ViTDet has it (arXiv 2203.16527): attention within windows or to all, and relative positions in two parts.

B windows of all samples, H heads, R and S rows and columns of patches, N = R · S tokens, K width of a head, D width.
"""

from typing import Any, cast

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from m2pt.models.families.relative import relative_rows

GLOBAL = 4
"""How many blocks attend to all patches, where there are windows: the last of each of so many equal parts of the encoder."""


class WindowBlock(Block):
    """A block for tokens of a `grid` without a class token, which attend to those of their `window` (None: to all).

    Windows begin at the top left; those at the other edges are filled up with zeros, as in Detectron2's code. With `relative`,
    attention has a bias for each displacement of rows and of columns, which depends on the query: `rows` and `columns`
    (displacements, K), initially zero.
    """

    def __init__(
        self, width: int, heads: int, grid: tuple[int, int], window: int | None, *, relative: bool, **options: Any
    ) -> None:
        super().__init__(width, heads, **options)
        self.grid, self.window = grid, window
        self.sides = grid if window is None else (window, window)
        self.rows: nn.Parameter | None = None
        self.columns: nn.Parameter | None = None
        if relative:
            self.rows, self.columns = (nn.Parameter(torch.zeros(2 * side - 1, width // heads)) for side in self.sides)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Tokens (B, N, D) in and out."""
        del attn_mask, is_causal
        x = x + self.drop_path1(self.ls1(self._attended(self.norm1(x))))
        changed: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return changed

    def _attended(self, x_BND: Tensor) -> Tensor:
        if self.window is None:
            return self._attention(x_BND)
        (high, wide), side = self.grid, self.window
        down, right = -high % side, -wide % side
        x_BRSD = pad(x_BND.unflatten(1, self.grid), (0, 0, 0, right, 0, down))
        counts = (high + down) // side, (wide + right) // side
        windows = x_BRSD.unflatten(2, (counts[1], side)).unflatten(1, (counts[0], side)).transpose(2, 3)
        attended = self._attention(windows.flatten(3, 4).flatten(0, 2))
        back = attended.unflatten(1, (side, side)).unflatten(0, (len(x_BND), *counts)).transpose(2, 3)
        joined: Tensor = back.flatten(3, 4).flatten(1, 2)[:, :high, :wide].flatten(1, 2)
        return joined

    def _attention(self, x_BND: Tensor) -> Tensor:
        attention = cast(Any, self.attn)
        projected = attention.qkv(x_BND).unflatten(-1, (3, attention.num_heads, -1))
        q_BHNK, k_BHNK, v_BHNK = projected.permute(2, 0, 3, 1, 4).unbind(0)
        gathered = scaled_dot_product_attention(q_BHNK, k_BHNK, v_BHNK, attn_mask=self._bias(q_BHNK))
        attended: Tensor = attention.proj(gathered.transpose(1, 2).flatten(2))
        return attended

    def _bias(self, q_BHNK: Tensor) -> Tensor | None:
        """What is added to the scaled products of queries and keys: (B, H, N, N)."""
        if self.rows is None or self.columns is None:
            return None
        q_BHRSK = q_BHNK.unflatten(2, self.sides)
        rows, columns = (
            part[relative_rows(side).to(part.device)].to(q_BHNK.dtype)
            for part, side in zip((self.rows, self.columns), self.sides, strict=True)
        )
        of_rows = torch.einsum("bhrsk,rtk->bhrst", q_BHRSK, rows)[..., None]
        of_columns = torch.einsum("bhrsk,suk->bhrsu", q_BHRSK, columns)[..., None, :]
        return (of_rows + of_columns).flatten(4, 5).flatten(2, 3)


def is_global(index: int, depth: int) -> bool:
    """Whether a block, counted from 0, attends to all patches."""
    return index in {(part + 1) * depth // GLOBAL - 1 for part in range(GLOBAL)}
