"""The encoder that all modalities share."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from m2pt.config.base import LAYERS, Frozen, Layer, Name, Positive, PositiveFloat, not_divisible

FamilyName = Literal["vit", "unireplknet"]

LAYERS_OF: dict[FamilyName, tuple[Layer, ...]] = {"vit": LAYERS, "unireplknet": ("conv_dw", "se", "mlp.fc1", "mlp.fc2")}
"""The layers of a block of each family that a pathway can join; `conv_dw` and `se` are parts with several convolutions."""

Kernel = Literal[3, 5, 7, 9, 11, 13, 15, 17]

STAGES: tuple[tuple[Kernel, ...], ...] = ((3,), (7, 3))


class ModelConfig(Frozen):
    """The encoder that all modalities share."""

    family: Annotated[FamilyName, Field(exclude_if=lambda family: family == "vit")] = "vit"
    """Kind of blocks: `vit` is a stack of timm's ViT blocks, `unireplknet` a ConvNet of large kernels (arXiv 2311.15599)."""
    from_: Annotated[Name | None, Field(alias="from", exclude_if=lambda name: name is None)] = None
    """An encoder of kind file, timm or run, whose size the model has; only `heads` goes with it, where no file says them."""
    width: Positive = 64
    """Width of the tokens; of a ConvNet the channels of its last stage, of which each stage before has half."""
    depth: Annotated[int, Field(gt=0, le=1000)] = 4
    """Blocks; those of a ConvNet are in `stages`."""
    heads: Positive = 4
    """Attention heads, which divide the width."""
    mlp_ratio: PositiveFloat = 4.0
    """Width of the MLP, as a multiple of `width` (or of the channels of its stage)."""
    qkv_bias: bool = True
    """Give queries, keys and values a bias."""
    stages: Annotated[
        tuple[Annotated[tuple[Kernel, ...], Field(min_length=1)], ...],
        Field(min_length=1, max_length=4, exclude_if=lambda stages: stages == STAGES),
    ] = STAGES
    """The kernel of each block of a ConvNet, stage by stage: from 7 on large ones with dilated branches beside them (LarK), 3 and
    5 small ones (SmaK). UniRepLKNet-A has `[[3, 3], [13, 13], [13, 13, 13, 13, 13, 13], [13, 13]]` and width 320."""

    def contradictions(self, context: object) -> Iterator[str]:
        """As `Frozen.contradictions`."""
        if self.family != "vit":
            yield from self._stages_that_do_not_fit()
        elif self.from_ is None:
            yield from not_divisible(self, ("width", "heads"))
        narrowest = self.width if self.family == "vit" else self.width >> (len(self.stages) - 1)
        if self.from_ is None and int(narrowest * self.mlp_ratio) < 1:
            yield f"mlp_ratio: {self.mlp_ratio:g} leaves an MLP of {narrowest} channels no hidden layer; raise it"
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

    def _stages_that_do_not_fit(self) -> Iterator[str]:
        if self.from_ is not None:
            yield f"from: the files of a ConvNet do not say its stages; write width and stages in place of from: {self.from_}"
        unit = 4 * 2 ** (len(self.stages) - 1)
        if self.width % unit:
            yield (
                f"width: {self.width} must be a multiple of {unit} for {len(self.stages)} stages, each of which has twice the "
                "channels of the one before"
            )

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of each stage of a ConvNet; the last one has the width of the model."""
        return tuple(self.width >> place for place in reversed(range(len(self.stages))))

    @property
    def matrix_entries(self) -> float:
        """The entries of the matrices of all blocks: queries, keys, values and projection, and the two of the MLP."""
        if self.family == "vit":
            return float(self.depth) * self.width**2 * (4 + 2 * self.mlp_ratio)
        sizes = zip(self.channels, self.stages, strict=True)
        return sum(len(kernels) * 2 * self.mlp_ratio * float(channels) ** 2 for channels, kernels in sizes)

    @property
    def blocks(self) -> int:
        """The number of blocks, of any family."""
        return self.depth if self.family == "vit" else sum(map(len, self.stages))
