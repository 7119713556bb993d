"""A file of weights in any published layout, as this project's tensors: converted, checked against the model, and complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from m2pt.config import InputConfig, LayoutName, Modality, ModelConfig, Reading, UserError, Weights, refuses_unknown
from m2pt.models.families import family_of
from m2pt.weights.completeness import check_config, check_keys, check_sizes, norm_epsilon, usable
from m2pt.weights.content import Content, read_content
from m2pt.weights.conversion import CLASS, fit_tokenizer, fuse_biases, norm_shapes, published, take_fresh
from m2pt.weights.layouts import DESCRIPTIONS, HUGGING_FACE, LEAVES, Layout, possible_modalities
from m2pt.weights.positions import Resampling
from m2pt.weights.recognition import fitting
from m2pt.weights.saved import load_into
from m2pt.weights.shapes import block_shapes, tokenizer_shapes

Parts = Literal["all", "blocks"]


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
            "beside": self.beside,
            "precisions": self.precisions,
            "norm_epsilon": self.norm_epsilon,
            "zero": tuple(f"blocks.*.{key.removeprefix('blocks.0.')}" for key in self.filled if key.startswith("blocks.0.")),
            "fresh": self.fresh,
            "positions": None if self.resampled is None else str(self.resampled),
        }


class HasEncoder(Protocol):
    """What weights are loaded into: `m2pt.models.model.Model` has this form."""

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
        reading: what the study says of the file, where the file leaves something open.
        source: the encoder's name in the study, for the keys that a refusal names.

    Raises:
        UserError: the file is missing, damaged, a part of an encoder, of no known layout or of several, of another modality,
            depth, width or patch form, or it lacks tensors or has some that are unknown; one sentence names them all.

    """
    reading = reading or Reading()
    place_of = f"encoders.{source}.reading.{modality}"
    content = read_content(path, reading.weights, f"{place_of}.weights")
    layouts = fitting(content, family_of(model_config).layouts, reading.layout, f"{place_of}.layout")
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
    if layout.name in HUGGING_FACE:
        check_config(file, model_config)
    check_sizes(file, layout, model_config)
    tensors = dict(layout.tensors)
    filled = fuse_biases(tensors, layout, model_config)
    fresh: tuple[str, ...] = ()
    resampled = None
    left: list[str] = []
    wanted = dict(block_shapes(model_config))
    config = None
    if parts == "blocks":
        left = [name for name in tensors if not name.startswith("blocks.")]
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("blocks.")}
    else:
        config = published(file, layout, modality, input_config)
        if config is not None:
            wanted |= tokenizer_shapes(config, model_config.width)
            fresh = take_fresh(tensors, wanted, layout)
            resampled = fit_tokenizer(file, tensors, layout, modality, config, reading, key)
        wanted |= norm_shapes(tensors, layout, model_config)
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
    tensors = {key: tensor for key, tensor in loaded.tensors.items() if key not in CLASS or key in own}
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
