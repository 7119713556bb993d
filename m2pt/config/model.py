"""The encoder that all modalities share."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m2pt.config.base import Frozen, Positive, PositiveFloat, require_divisible

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

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        return require_divisible(self, ("width", "heads"))
