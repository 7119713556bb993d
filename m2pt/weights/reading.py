"""A file of weights in any published layout, as this project's tensors: converted, checked against the model, and complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from m2pt.config import (
    InputConfig,
    LayoutName,
    Modality,
    ModelConfig,
    PointInput,
    Reading,
    UserError,
    VideoInput,
    Weights,
    refuses_unknown,
)
from m2pt.weights.completeness import check_config, check_keys, check_sizes, norm_epsilon, usable
from m2pt.weights.content import Content, read_content
from m2pt.weights.foreign import foreign
from m2pt.weights.layouts import BIAS, DESCRIPTIONS, LEAVES, SPLIT_BIASES, Layout, fitting, possible_modalities
from m2pt.weights.positions import Resampling, UnknownGridError, place
from m2pt.weights.saved import load_into
from m2pt.weights.shapes import block_shapes, clip_counts, patch_counts, patch_shape, tokenizer_shapes
from m2pt.weights.shards import check_content

Parts = Literal["all", "blocks"]

_POSITIONS = "tokenizer.positions"
_CLASS = ("tokenizer.class_token", "tokenizer.class_position")


@dataclass(frozen=True)
class LoadedWeights:
    """An encoder from a file, under this project's keys: `tokenizer.*`, `blocks.N.*`, and `norm.*` where the file has it.

    `weights` says whether these are the trained ones or their moving average, `wrapper` under which entry of the file they stood,
    `beside` under which others were not taken. `ignored` are keys of the file that no encoder needs (decoder, head, optimizer);
    `filled` are biases that the layout has none of and that are zero; `fresh` are tensors that the file has none of and that stay
    as the model was initialised (Point-MAE's class token and its position, the fixed positions of VideoMAE). `resampled` says how
    the positions were brought to another size; `norm_epsilon` is that of the norms where the layout has another than usual.
    """

    tensors: Mapping[str, Tensor]
    layout: LayoutName
    ignored: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    resampled: Resampling | None = None
    weights: Weights = "raw"
    wrapper: str | None = None
    beside: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    norm_epsilon: float | None = None

    def facts(self) -> dict[str, Any]:
        """What a record keeps of how the file was read; the same wherever it lies."""
        return {
            "layout": self.layout,
            "weights": self.weights,
            "wrapper": self.wrapper,
            "beside": list(self.beside),
            "precisions": list(self.precisions),
            "norm_epsilon": self.norm_epsilon,
            "zero": [f"blocks.*.{key.removeprefix('blocks.0.')}" for key in self.filled if key.startswith("blocks.0.")],
            "fresh": list(self.fresh),
            "positions": None if self.resampled is None else str(self.resampled),
        }


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


@refuses_unknown
def read_encoder(
    path: Path,
    modality: Modality,
    input_config: InputConfig | None,
    model_config: ModelConfig,
    *,
    parts: Parts = "all",
    sha256: str | None = None,
    reading: Reading | None = None,
    source: str = "NAME",
) -> LoadedWeights:
    """Read an encoder from a file (or a folder that holds one), in any layout of `m2pt.weights.layouts`, by what defines it.

    Args:
        path: the file or folder.
        modality: of which the encoder is said to be.
        input_config: the form of its samples; only needed for the tokenizer.
        model_config: the encoder's sizes. The number of heads leaves no trace in a file of tensors: where no config.json of
            Hugging Face stands beside it, a wrong one goes unnoticed here.
        parts: `blocks` for an encoder that serves as an auxiliary: the tokenizer and the final norm are left aside.
        sha256: what the file was planned with, where that is to be checked.
        reading: what the study says of the file, where the file leaves something open.
        source: the encoder's name in the study, for the keys that a refusal names.

    Raises:
        UserError: the file is missing, damaged, a part of an encoder, of no known layout or of several, of another modality,
            depth, width or patch form, or it lacks tensors or has some that are unknown; one sentence names them all.

    """
    check_content(path, sha256)
    reading = reading or Reading()
    place_of = f"encoders.{source}.reading.{modality}"
    content = read_content(path, reading.weights, f"{place_of}.weights")
    check_config(content.file, model_config)
    layouts = fitting(content, reading.layout, f"{place_of}.layout")
    usable_here = [layout for layout in layouts if _is_of(layout, modality, parts)]
    if not usable_here:
        _refuse_modality(content.file, layouts, modality, parts)
    found = [_read(content, layout, modality, input_config, model_config, parts, reading, place_of) for layout in usable_here]
    for other in found[1:]:
        if not _alike(found[0], other):
            names = " and ".join(DESCRIPTIONS[item.layout] for item in found)
            raise UserError(
                f"{content.file}: could be {names}, which are read differently here; set {place_of}.layout to "
                f"{' or '.join(item.layout for item in found)}."
            )
    return found[0]


def _alike(one: LoadedWeights, other: LoadedWeights) -> bool:
    """Whether two ways to read a file lead to the same encoder."""
    same = one.tensors.keys() == other.tensors.keys() and one.fresh == other.fresh and one.filled == other.filled
    return same and all(torch.equal(tensor, other.tensors[key]) for key, tensor in one.tensors.items())


def _read(
    content: Content,
    layout: Layout,
    modality: Modality,
    input_config: InputConfig | None,
    model_config: ModelConfig,
    parts: Parts,
    reading: Reading,
    key: str,
) -> LoadedWeights:
    file = content.file
    check_sizes(file, layout, model_config)
    tensors = dict(layout.tensors)
    filled = _fuse_biases(tensors, layout, model_config)
    fresh: tuple[str, ...] = ()
    resampled = None
    left: list[str] = []
    wanted = block_shapes(model_config)
    config = None
    if parts == "blocks":
        left = [name for name in tensors if not name.startswith("blocks.")]
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("blocks.")}
    else:
        config = _published(file, layout, modality, input_config)
        if config is not None:
            wanted |= tokenizer_shapes(config, model_config.width)
            fresh = _fresh(tensors, wanted, layout)
            resampled = _fit_tokenizer(file, tensors, layout, modality, config, reading, key)
        wanted |= _norm_shapes(tensors, layout, model_config)
    check_keys(content, layout, tensors, wanted, exact=parts == "blocks" or config is not None)
    precisions = tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.ndim}))
    tensors = {name: usable(file, name, tensor) for name, tensor in tensors.items()}
    return LoadedWeights(
        tensors=tensors,
        layout=layout.name,
        ignored=(*layout.ignored, *left),
        filled=tuple(filled),
        fresh=fresh,
        resampled=resampled,
        weights=content.weights,
        wrapper=content.wrapper,
        beside=content.beside,
        precisions=precisions,
        norm_epsilon=None if parts == "blocks" else norm_epsilon(file, layout),
    )


def load_encoder(model: HasEncoder, loaded: LoadedWeights, source: str) -> tuple[str, ...]:
    """Copy a whole encoder into a model: tokenizer, blocks, and the final norm where the model has one.

    Returns what of the encoder the model has no place for: a class token, a final norm.

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
    if loaded.norm_epsilon is not None:
        for part in (*model.blocks.modules(), *model.norm.modules()):
            if isinstance(part, nn.LayerNorm):
                part.eps = loaded.norm_epsilon
    norm = () if model.norm.state_dict() else tuple(key for key in tensors if key.startswith("norm."))
    return (*sorted(loaded.tensors.keys() - tensors.keys()), *sorted(norm))


def _is_of(layout: Layout, modality: Modality, parts: Parts) -> bool:
    possible = layout.modalities if parts == "blocks" else possible_modalities(layout)
    return not possible or modality in possible


def _refuse_modality(file: Path, layouts: list[Layout], modality: Modality, parts: Parts) -> None:
    names = " or ".join(DESCRIPTIONS[layout.name] for layout in layouts)
    possible = dict.fromkeys(name for layout in layouts for name in possible_modalities(layout))
    way_out = "name the file of that modality"
    if parts == "all" and not layouts[0].modalities:
        way_out += ", or use this one as an auxiliary, which needs no tokenizer"
    told = f"is {names}, which is of the modality {' or '.join(possible)}"
    raise UserError(f"{file}: {told}, and an encoder for {modality} is wanted; {way_out}.")


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
    without = layout.name in ("m2pt", "hf-videomae") or any("fc_norm." in key for key in layout.ignored)
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
    if layout.name in ("videomae", "hf-videomae") and _POSITIONS not in tensors:
        keys = (_POSITIONS,)
    for key in keys:
        del wanted[key]
    return keys


def _fit_tokenizer(
    file: Path, tensors: dict[str, Tensor], layout: Layout, modality: Modality, config: InputConfig, reading: Reading, key: str
) -> Resampling | None:
    """Bring a tokenizer's tensors to this project's shapes, in place; says how positions were resampled, if they were."""
    for name in _CLASS:
        if name in tensors and tensors[name].ndim == 3:
            tensors[name] = tensors[name].flatten()
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
    counts = clip_counts(config) if isinstance(config, VideoInput) else patch_counts(config)
    try:
        if positions.ndim != 2:
            raise UnknownGridError(f"their shape {tuple(positions.shape)} is not one row for each place")
        tensors[_POSITIONS], resampled = place(positions, layout.name, modality, counts, reading.grid)
    except UnknownGridError as error:
        wanted = " × ".join(map(str, counts)) + (" tubelets" if isinstance(config, VideoInput) else " patches with a class token")
        kin = foreign(layout.unknown, None)
        if kin:
            raise UserError(f"{file}: is {DESCRIPTIONS[layout.name]}, but it looks like {kin}; name another file.") from error
        raise UserError(
            f"{file}: its positions {tuple(positions.shape)} cannot be brought to {wanted}: {error}; correct the input, name "
            f"another file, or set {key}.grid to the grid that they were made for."
        ) from error
    return resampled
