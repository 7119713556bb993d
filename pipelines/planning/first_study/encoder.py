"""What files of weights say of the model that they fit, for a first study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.config import Modality, ModelConfig, UserError, refuses_unknown
from m2pt.modalities.registry import SPECS
from m2pt.weights.inspection import Inspection, inspect
from m2pt.weights.sizes import size_of as size_in_file

SMALL = ModelConfig(width=64, depth=4, heads=4)
"""The model where no file says how large it is: one that a laptop trains."""


@dataclass(frozen=True)
class Size:
    """A model, and the values of the target's input that its weights fix.

    `encoder` is the name of the encoder in the study that it has its size from, None if no file says it. `heads_known`: something
    beside the weights says how many heads there are. `mapped`: the auxiliary has another size.
    """

    model: ModelConfig
    input: dict[str, Any]
    encoder: str | None = None
    heads_known: bool = False
    mapped: bool = False


@refuses_unknown
def size_of(modality: Modality, start: Path | None, auxiliary: Path | None, heads: int | None) -> Size:
    """The size of the model that the weights fit; a small one without weights.

    Raises:
        UserError: a file is no encoder that is read here, or the number of heads is not clear.

    """
    if heads is not None and heads < 1:
        raise UserError(f"--heads: {heads} is no number of attention heads; give one that divides the width.")
    facts = [inspect(path) for path in (start, auxiliary) if path is not None]
    if not facts:
        _require_divides(SMALL.width, heads or SMALL.heads)
        return Size(SMALL.model_copy(update={"heads": heads or SMALL.heads}), dict(SPECS[modality].first_input))
    fact, other = facts[0], facts[-1]
    mapped = not _alike(fact, other)
    heads = heads or (other.heads if fact.heads is None and not mapped else None)
    model = size_in_file(fact).model(SMALL, heads, f"{fact.file}: --heads")
    if mapped:
        size_in_file(other).model(SMALL, None, f"{other.file}: its heads")
    form = _input(modality, fact) if start is not None else {}
    return Size(model, form, "auxiliary" if start is None else "start", fact.heads is not None and heads is None, mapped)


def _alike(one: Inspection, other: Inspection) -> bool:
    """Whether a pathway can join two encoders as they are, as far as their files show it."""
    sizes = {(size.width, size.depth, size.mlp_ratio) for size in map(size_in_file, (one, other))}
    return len(sizes) == 1 and (None in (one.heads, other.heads) or one.heads == other.heads)


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
