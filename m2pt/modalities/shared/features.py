"""What passes between tokenizer, encoder and head. Shapes: B batch, N tokens of the sample, D width."""

from dataclasses import dataclass

from torch import Tensor


def as_tokens(state: Tensor) -> Tensor:
    """What passes between blocks as tokens (B, N, D): maps (B, D, H, W) place by place, row by row; tokens stay."""
    return state.flatten(2).transpose(1, 2) if state.ndim == 4 else state


@dataclass(frozen=True)
class Tokens:
    """What the encoder gets from a tokenizer.

    `values` (B, prefix + N, D) carry their positions; the first `num_prefix` have no coordinates (class tokens). A ConvNet gets
    maps (B, C, H, W) instead, whose places have no coordinates. `every_block` (same shape) is added before every block instead of
    once (Point-MAE). `coordinates_BN3` are the coordinates of the N tokens.
    """

    values: Tensor
    coordinates_BN3: Tensor
    num_prefix: int = 0
    every_block: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What a head gets from the encoder: the outputs (B, prefix + N, D) of the blocks that it taps, in order."""

    taps: tuple[Tensor, ...]
    coordinates_BN3: Tensor
    num_prefix: int
    x: Tensor

    @property
    def last_BND(self) -> Tensor:
        """The tokens of the sample after the last block, without class tokens."""
        return self.taps[-1][:, self.num_prefix :]
