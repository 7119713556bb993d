"""What files of weights say of the model that they fit, for a first study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.config import Modality, ModelConfig, UserError, refuses_unknown
from m2pt.modalities.registry import SPECS
from m2pt.weights.inspection import Inspection, inspect

SMALL = ModelConfig(width=64, depth=4, heads=4)
"""The model where no file says how large it is: one that a laptop trains."""

_USUAL_HEAD = 64
"""The width of a head in ViT of any size (arXiv 2010.11929, table 1)."""


@dataclass(frozen=True)
class Size:
    """A model, and the values of the target's input that its weights fix."""

    model: ModelConfig
    input: dict[str, Any]


@refuses_unknown
def size_of(modality: Modality, start: Path | None, auxiliary: Path | None, heads: int | None) -> Size:
    """The size of the model that the weights fit; a small one without weights.

    Raises:
        UserError: a file is no encoder that is read here, two files have different sizes, or the number of heads is not clear.

    """
    if heads is not None and heads < 1:
        raise UserError(f"--heads: {heads} is no number of attention heads; give one that divides the width.")
    facts = [inspect(path) for path in (start, auxiliary) if path is not None]
    if not facts:
        _require_divides(SMALL.width, heads or SMALL.heads)
        return Size(SMALL.model_copy(update={"heads": heads or SMALL.heads}), dict(SPECS[modality].first_input))
    if len({(fact.width, fact.depth) for fact in facts}) > 1:
        words = " and ".join(f"{fact.file} has width {fact.width} and depth {fact.depth}" for fact in facts)
        raise UserError(f"{words}; a pathway joins equal blocks: choose weights of one size.")
    fact = facts[0]
    if heads is None and fact.width % _USUAL_HEAD:
        raise UserError(f"{fact.file}: has width {fact.width}, and files do not say how many heads; give --heads.")
    _require_divides(fact.width, heads or fact.width // _USUAL_HEAD)
    size = {"width": fact.width, "depth": fact.depth, "heads": heads or fact.width // _USUAL_HEAD}
    ratio = {} if fact.mlp_ratio is None or fact.mlp_ratio == 4 else {"mlp_ratio": fact.mlp_ratio}
    bias = {"qkv_bias": False} if any(".attn.qkv" in name for name in fact.missing_biases) else {}
    return Size(ModelConfig.model_validate(size | ratio | bias), _input(modality, fact) if start is not None else {})


def _require_divides(width: int, heads: int) -> None:
    if width % heads:
        raise UserError(
            f"--heads: {heads} does not divide the width ({width}); give the number that the encoder was trained with."
        )


def _input(modality: Modality, fact: Inspection) -> dict[str, Any]:
    """The values of the input that differ from the recipe's, where patches and positions of the weights fix them."""
    usual = SPECS[modality].recipes["own"].input
    if fact.patch is None or not {"patch", "channels", "size"} <= type(usual).model_fields.keys():
        return {}
    channels, *_, side = fact.patch
    fixed: dict[str, Any] = {"patch": side, "channels": channels}
    if fact.grid is not None and len(set(fact.grid[-2:])) == 1:
        fixed["size"] = fact.grid[-1] * side
    return {key: value for key, value in fixed.items() if getattr(usual, key) != value}
