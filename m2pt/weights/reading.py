"""A file of weights in any published layout, as this project's tensors: converted, checked against the model, and complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from m2pt.config import AudioInput, ImageInput, InputConfig, Modality, ModelConfig, PointInput, UserError, VideoInput
from m2pt.weights.content import check_content, read_content, weights_file
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, LEAVES, SPLIT_BIASES, Layout, LayoutName, detect, possible_modalities
from m2pt.weights.positions import clip_grid_of, grid_of, resize, resize_clip
from m2pt.weights.saved import load_into
from m2pt.weights.shapes import block_shapes, clip_counts, hidden_width, patch_counts, patch_shape, tokenizer_shapes

Parts = Literal["all", "blocks"]

_MOST_KEYS = 40  # that one sentence lists
_POSITIONS = "tokenizer.positions"
_CLASS = ("tokenizer.class_token", "tokenizer.class_position")


@dataclass(frozen=True)
class LoadedWeights:
    """An encoder from a file, under this project's keys: `tokenizer.*`, `blocks.N.*`, and `norm.*` where the file has it.

    `ignored` are keys of the file that no encoder needs (decoder, head, optimizer); `filled` are biases that the layout has none
    of and that are zero; `fresh` are tensors that the file has none of and that stay as the model was initialised (Point-MAE's
    class token and its position, the fixed positions of VideoMAE). `resized` says from which grid to which the positions
    were brought.
    """

    tensors: Mapping[str, Tensor]
    layout: LayoutName
    ignored: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    resized: tuple[tuple[int, ...], tuple[int, ...]] | None = None


class HasEncoder(Protocol):
    """What weights are loaded into: `m2pt.model.Model` has this form."""

    @property
    def tokenizer(self) -> nn.Module:
        """Samples to tokens."""

    @property
    def blocks(self) -> nn.Sequential:
        """The blocks in order."""

    @property
    def norm(self) -> nn.Module:
        """The final norm, or an identity."""


def read_encoder(
    path: Path,
    modality: Modality,
    input_config: InputConfig | None,
    model_config: ModelConfig,
    *,
    parts: Parts = "all",
    sha256: str | None = None,
) -> LoadedWeights:
    """Read an encoder from a file (or a folder that holds one), in any layout of `m2pt.weights.layouts`, detected from its keys.

    Args:
        path: the file or folder.
        modality: of which the encoder is said to be.
        input_config: the form of its samples; only needed for the tokenizer.
        model_config: the encoder's sizes. The number of heads leaves no trace in a file, so a wrong one goes unnoticed here.
        parts: `blocks` for an encoder that serves as an auxiliary: the tokenizer and the final norm are left aside.
        sha256: what the file was planned with, where that is to be checked.

    Raises:
        UserError: the file is missing, damaged, of no known layout, of another modality, depth, width or patch form, or it lacks
            tensors or has some that are unknown; one sentence names them all.

    """
    check_content(path, sha256)
    file = weights_file(path)
    layout = detect(read_content(path))
    _check_modality(file, layout, modality, parts)
    _check_sizes(file, layout, model_config)
    tensors = dict(layout.tensors)
    filled = _fuse_biases(tensors, layout, model_config)
    fresh: tuple[str, ...] = ()
    resized = None
    if parts == "blocks":
        left = [key for key in tensors if not key.startswith("blocks.")]
        tensors = {key: tensor for key, tensor in tensors.items() if key.startswith("blocks.")}
        wanted = block_shapes(model_config)
    else:
        left = []
        config = _published(file, layout, modality, input_config)
        wanted = block_shapes(model_config)
        if config is not None:
            wanted |= tokenizer_shapes(config, model_config.width)
            fresh = _fresh(tensors, wanted, layout)
            resized = _fit_tokenizer(file, tensors, config)
        wanted |= _norm_shapes(tensors, layout, model_config)
    _check_keys(file, layout, tensors, wanted, exact=parts == "blocks" or config is not None)
    tensors = {key: _usable(file, key, tensor) for key, tensor in tensors.items()}
    return LoadedWeights(tensors, layout.name, (*layout.ignored, *left), tuple(filled), fresh, resized)


def load_encoder(model: HasEncoder, loaded: LoadedWeights, source: str) -> None:
    """Copy a whole encoder into a model: tokenizer, blocks, and the final norm where the model has one.

    Raises:
        UserError: something does not fit; the sentence names `source`.

    """
    own = model.tokenizer.state_dict(prefix="tokenizer.")
    tensors = {key: tensor for key, tensor in loaded.tensors.items() if key not in _CLASS or key in own}
    tensors |= {key: own[key] for key in loaded.fresh if key in own}
    # What fine-tuning adds to the blocks (`m2pt.config.BlocksConfig`) is in no file of pretrained weights.
    blocks = model.blocks.state_dict(prefix="blocks.")
    tensors = {key: blocks[key] for key in blocks if key.split(".", 2)[2] not in LEAVES} | tensors
    load_into(model.tokenizer, tensors, "tokenizer.", source)
    load_into(model.blocks, tensors, "blocks.", source)
    if model.norm.state_dict():
        load_into(model.norm, tensors, "norm.", source)


def _check_modality(file: Path, layout: Layout, modality: Modality, parts: Parts) -> None:
    possible = layout.modalities if parts == "blocks" else possible_modalities(layout)
    if possible and modality not in possible:
        what = f"{DESCRIPTIONS[layout.name]}, which is of the modality {' or '.join(possible)}"
        way_out = "name the file of that modality"
        if not layout.modalities:
            way_out += ", or use this one as an auxiliary, which needs no tokenizer"
        raise UserError(f"{file}: is {what}, and an encoder for {modality} is wanted; {way_out}.")


def _check_sizes(file: Path, layout: Layout, config: ModelConfig) -> None:
    for key, found, wanted in (("depth", layout.depth, config.depth), ("width", layout.width, config.width)):
        if found != wanted:
            raise UserError(f"{file}: has {key} {found}, model.{key} is {wanted}; set it to {found} or name another file.")
    fc1 = layout.tensors.get("blocks.0.mlp.fc1.weight")
    if fc1 is not None and fc1.ndim == 2 and len(fc1) != hidden_width(config):
        ratio = len(fc1) / config.width
        raise UserError(f"{file}: has mlp_ratio {ratio:g}, model.mlp_ratio is {config.mlp_ratio:g}; set it or name another file.")
    if not config.qkv_bias and any(layout.leaves(leaf) for leaf in (BIAS, *SPLIT_BIASES)):
        raise UserError(f"{file}: has biases in attn.qkv and model.qkv_bias is false; set it to true or name another file.")


def _fuse_biases(tensors: dict[str, Tensor], layout: Layout, config: ModelConfig) -> list[str]:
    """Join biases of queries and values, and add those that a layout has none of, as zeros; returns the names of these.

    VideoMAE has no bias of keys, Point-MAE none at all in attn.qkv. Where some of a file are missing nothing is filled in.
    """
    filled = []
    whole = layout.leaves(BIAS)
    may_lack = layout.name in ("point-mae", "m2pt") and not whole
    for index in range(layout.depth):
        name = f"blocks.{index}.{BIAS}"
        query, value = (f"blocks.{index}.{leaf}" for leaf in SPLIT_BIASES)
        if query in tensors and value in tensors and name not in tensors:
            parts = tensors.pop(query), tensors.pop(value)
            tensors[name] = torch.cat([parts[0], torch.zeros_like(parts[1]), parts[1]])
            filled.append(f"blocks.{index}.attn.k_bias")
        elif may_lack and config.qkv_bias:
            tensors[name] = torch.zeros(3 * config.width)
            filled.append(name)
    return filled


def _published(file: Path, layout: Layout, modality: Modality, config: InputConfig | None) -> InputConfig | None:
    """The input section that the tokenizer is checked against; None for a tokenizer of this project's own form."""
    if config is None:
        raise ValueError("a tokenizer can only be read for a form of samples")
    if config.form == "published":
        return config
    if layout.name != "m2pt":
        raise UserError(
            f"{file}: is {DESCRIPTIONS[layout.name]}, whose tokenizer is not of the shared form; set inputs.{modality}.form to "
            "published."
        )
    return None


def _norm_shapes(tensors: Mapping[str, Tensor], layout: Layout, config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """A final norm is wanted, but of a model that was fine-tuned without: with average pooling, `fc_norm` is in its place."""
    without = layout.name == "m2pt" or any("fc_norm." in key for key in layout.ignored)
    return (
        {}
        if without and not any(key.startswith("norm.") for key in tensors)
        else {f"norm.{kind}": (config.width,) for kind in ("weight", "bias")}
    )


def _fresh(tensors: Mapping[str, Tensor], wanted: dict[str, tuple[int, ...]], layout: Layout) -> tuple[str, ...]:
    """Take out of what is wanted the class token of a point encoder, or the positions of clips, where the file has none."""
    keys: tuple[str, ...] = ()
    if layout.name in ("point-mae", "m2pt") and _CLASS[1] in wanted and not any(key in tensors for key in _CLASS):
        keys = _CLASS
    if layout.name == "videomae" and _POSITIONS not in tensors:
        keys = (_POSITIONS,)
    for key in keys:
        del wanted[key]
    return keys


def _fit_tokenizer(file: Path, tensors: dict[str, Tensor], config: InputConfig) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Bring a tokenizer's tensors to this project's shapes, in place; says how positions were resized, if they were."""
    for key in _CLASS:
        if key in tensors and tensors[key].ndim == 3:
            tensors[key] = tensors[key].flatten()
    if isinstance(config, PointInput):
        return None
    kernel = tensors.get("tokenizer.projection.weight")
    if kernel is not None and kernel.ndim > 2:
        if kernel.shape[1:] != patch_shape(config):
            found, wanted = ("×".join(map(str, shape)) for shape in (kernel.shape[1:], patch_shape(config)))
            raise UserError(
                f"{file}: its patches are {found} (channels first), those of the input are {wanted}; correct the input."
            )
        tensors["tokenizer.projection.weight"] = kernel.flatten(1)
    positions = tensors.get(_POSITIONS)
    if positions is None:
        return None
    positions = positions[0] if positions.ndim == 3 and len(positions) == 1 else positions
    resized, old, new = _resized(positions, config)
    if resized is None:
        wanted = " × ".join(map(str, new)) + (" tubelets" if isinstance(config, VideoInput) else " patches with a class token")
        raise UserError(
            f"{file}: its positions {tuple(positions.shape)} are those of no grid that can be brought to {wanted}; correct the "
            "input or name another file."
        )
    tensors[_POSITIONS] = resized
    return None if old == new else (old, new)


def _resized(
    positions: Tensor, config: ImageInput | AudioInput | VideoInput
) -> tuple[Tensor | None, tuple[int, ...], tuple[int, ...]]:
    """Positions brought to the grid of a config (None where theirs is not known), their grid and the config's."""
    if isinstance(config, VideoInput):
        clips = clip_counts(config)
        found = clip_grid_of(len(positions), clips) if positions.ndim == 2 else None
        return None if found is None else resize_clip(positions.float(), found, clips), found or (), clips
    pictures = patch_counts(config)
    grid = grid_of(positions, pictures) if positions.ndim == 2 else None
    return None if grid is None else resize(positions.float(), grid, pictures), grid or (), pictures


def _check_keys(
    file: Path, layout: Layout, tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], *, exact: bool
) -> None:
    """Every wanted tensor is there in its shape, and nothing else (of a tokenizer of the shared form its module knows more)."""
    shared = () if exact else ("tokenizer.",)
    faults = [f"missing {key}" for key in sorted(wanted.keys() - tensors.keys())]
    faults += [f"not known {key}" for key in layout.unknown]
    faults += [f"not expected {key}" for key in sorted(tensors.keys() - wanted.keys()) if not key.startswith(shared or "\0")]
    faults += [
        f"{key} is {tuple(tensors[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    if faults:
        more = f"; and {len(faults) - _MOST_KEYS} more" if len(faults) > _MOST_KEYS else ""
        listing = "; ".join(faults[:_MOST_KEYS]) + more
        raise UserError(f"{file}: is {DESCRIPTIONS[layout.name]}, but does not fit the encoder that is wanted: {listing}.")


def _usable(file: Path, key: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    if not bool(torch.isfinite(tensor).all()):
        raise UserError(f"{file}: {key} holds values that are not finite; fetch the file again or name another one.")
    return tensor.float()
