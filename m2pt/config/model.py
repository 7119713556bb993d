"""The encoder that all modalities share."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from m2pt.config.base import Frozen, Positive, PositiveFloat, not_divisible

FamilyName = Literal["vit"]


class ModelConfig(Frozen):
    """The encoder that all modalities share."""

    family: Annotated[FamilyName, Field(exclude_if=lambda family: family == "vit")] = "vit"
    """Kind of blocks: `vit` is a stack of timm's ViT blocks."""
    width: Positive = 64
    """Width of the tokens."""
    depth: Positive = 4
    """Blocks."""
    heads: Positive = 4
    """Attention heads, which divide the width."""
    mlp_ratio: PositiveFloat = 4.0
    """Width of the MLP, as a multiple of `width`."""
    qkv_bias: bool = True
    """Give queries, keys and values a bias."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        yield from not_divisible(self, ("width", "heads"))
