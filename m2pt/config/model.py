"""The encoder that all modalities share."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from m2pt.config.base import Frozen, Name, Positive, PositiveFloat, not_divisible

FamilyName = Literal["vit"]


class ModelConfig(Frozen):
    """The encoder that all modalities share."""

    family: Annotated[FamilyName, Field(exclude_if=lambda family: family == "vit")] = "vit"
    """Kind of blocks: `vit` is a stack of timm's ViT blocks."""
    from_: Annotated[Name | None, Field(alias="from", exclude_if=lambda name: name is None)] = None
    """An encoder of kind file, timm or run, whose size the model has; only `heads` goes with it, where no file says them."""
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
        if self.from_ is None:
            yield from not_divisible(self, ("width", "heads"))
        for key in type(self).model_fields if self.from_ is not None else ():
            if key in self.model_fields_set and key not in ("from_", "heads", "family"):
                yield f"{key}: is that of the encoder {self.from_} (from); leave one of them out"

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = serialize(self)
        if self.from_ is not None:
            unset = type(self).model_fields.keys() - self.model_fields_set
            document = {key: value for key, value in document.items() if key not in unset}
        return document
