"""From a layout's tensors to those of the model's encoder: biases joined, a tokenizer converted to the input's form."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from m2pt.config import InputConfig, Modality, ModelConfig, Reading, UserError, refuses_unknown
from m2pt.weights.foreign import foreign
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, OWN, SPLIT_BIASES, Layout
from m2pt.weights.positions import Resampling, UnknownGridError, place

POSITIONS = "tokenizer.positions"
_OTHER_USES = "name another file, or use this one as an auxiliary, which needs no tokenizer"
CLASS = ("tokenizer.class_token", "tokenizer.class_position")


def fuse_biases(tensors: dict[str, Tensor], layout: Layout, config: ModelConfig) -> list[str]:
    """Join biases of queries and values, and add zeros for those that a layout does not have; returns the names of the latter.

    VideoMAE has no biases for keys, Point-MAE none at all in attn.qkv. If only some blocks of a file lack one, none is added.
    """
    filled = []
    may_lack = layout.name in ("point-mae", "m2pt") and not layout.leaves(BIAS)
    for index in range(layout.depth):
        name = f"blocks.{index}.{BIAS}"
        query, value = (f"blocks.{index}.{leaf}" for leaf in SPLIT_BIASES)
        if all(part in tensors and tensors[part].ndim == 1 for part in (query, value)) and name not in tensors:
            parts = tensors.pop(query), tensors.pop(value)
            tensors[name] = torch.cat([parts[0], torch.zeros_like(parts[1]), parts[1]])
            filled.append(f"blocks.{index}.attn.k_bias")
        elif may_lack and config.qkv_bias:
            tensors[name] = torch.zeros(3 * config.width)
            filled.append(name)
    return filled


@refuses_unknown
def published(file: Path, layout: Layout, modality: Modality, config: InputConfig | None) -> InputConfig | None:
    """The input section that the tokenizer is checked against; None for a tokenizer of this project's own form."""
    if config is None:
        raise ValueError("a tokenizer can only be read with an input section")
    if config.form == "published":
        return config
    if layout.name not in OWN:
        raise UserError(
            f"{file}: is {DESCRIPTIONS[layout.name]}, whose tokenizer is not of the shared form; set inputs.{modality}.form to "
            "published."
        )
    return None


def norm_shapes(tensors: Mapping[str, Tensor], layout: Layout, config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """A final norm is required unless a model was fine-tuned without one: with average pooling, `fc_norm` takes its place."""
    without = layout.name in (*OWN, "hf-videomae") or any("fc_norm." in key for key in layout.ignored)
    return (
        {}
        if without and not any(key.startswith("norm.") for key in tensors)
        else {f"norm.{kind}": (config.width,) for kind in ("weight", "bias")}
    )


def take_fresh(tensors: Mapping[str, Tensor], wanted: dict[str, tuple[int, ...]], layout: Layout) -> tuple[str, ...]:
    """Remove from `wanted` the class token of a point encoder, or the positions of clips, if the file does not have them."""
    keys: tuple[str, ...] = ()
    if layout.name in ("point-mae", "m2pt") and CLASS[1] in wanted and not any(key in tensors for key in CLASS):
        keys = CLASS
    if layout.name in ("videomae", "hf-videomae") and POSITIONS not in tensors:
        keys = (POSITIONS,)
    for key in keys:
        del wanted[key]
    return keys


@refuses_unknown
def fit_tokenizer(
    file: Path, tensors: dict[str, Tensor], layout: Layout, modality: Modality, config: InputConfig, reading: Reading, key: str
) -> Resampling | None:
    """Convert a tokenizer's tensors to this project's shapes, in place; returns how positions were resampled, if they were."""
    for name in CLASS:
        if name in tensors and tensors[name].ndim == 3:
            tensors[name] = tensors[name].flatten()
    if not config.axes:
        return None
    kernel = tensors.get("tokenizer.projection.weight")
    if kernel is not None and kernel.ndim > 2:
        if kernel.shape[1:] != config.patch_shape:
            stored, wanted = ("×".join(map(str, shape)) for shape in (kernel.shape[1:], config.patch_shape))
            raise UserError(
                f"{file}: its patches are {stored} (channels first), those of the input are {wanted}; correct the input."
            )
        tensors["tokenizer.projection.weight"] = kernel.flatten(1)
    positions = tensors.get(POSITIONS)
    if positions is None:
        return None
    positions = positions[0] if positions.ndim == 3 and len(positions) == 1 else positions
    try:
        if positions.ndim != 2:
            raise UnknownGridError(f"their shape {tuple(positions.shape)} is not one row per position")
        tensors[POSITIONS], resampled = place(positions, layout.name, modality, config.counts, reading.grid)
    except UnknownGridError as error:
        has_class = CLASS[0] in tensors
        raise UserError(f"{file}: {_misplaced(layout, positions, has_class, config, error, key)}.") from error
    return resampled


def _misplaced(layout: Layout, positions: Tensor, has_class: bool, config: InputConfig, error: UnknownGridError, key: str) -> str:
    """Why positions cannot be used, and what to do, judging by what else the file shows about its encoder."""
    wanted = " × ".join(map(str, config.counts)) + (" patches with a class token" if config.class_token else " tubelets")
    shape, description = tuple(positions.shape), DESCRIPTIONS[layout.name]
    if kin := foreign(layout.unknown, None):
        return f"is {description}, but it looks like {kin}; name another file"
    if layout.unknown:
        keys = f"{layout.unknown[0]} and others" if len(layout.unknown) > 1 else layout.unknown[0]
        return (
            f"is {description}, but holds {keys}, which that layout does not have, and its positions {shape} do not fit "
            f"{wanted}; name another file"
        )
    if config.class_token and not has_class:
        return f"has no class token, which encoders of pictures and sounds have here; {_OTHER_USES}"
    square = positions.ndim == 2 and math.isqrt(len(positions)) ** 2 == len(positions)
    hint = f" (if none of them is for a class token, {_OTHER_USES})" if square and config.class_token else ""
    return (
        f"its positions {shape} cannot be resized to {wanted}: {error}; correct the input, name another file, or set {key}.grid "
        f"to the grid that they were made for{hint}"
    )
