"""Reads a weights file in any published layout as this project's tensors: converted, checked against the model, complete."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from m2pt.config import InputConfig, LayoutName, Modality, ModelConfig, Reading, UserError, Weights, refuses_unknown
from m2pt.models.families import family_of
from m2pt.weights.beside import Said, check_said, said_of
from m2pt.weights.completeness import check_keys, check_sizes, norm_epsilon, usable
from m2pt.weights.content import Content, read_content
from m2pt.weights.conversion import CLASS, fit_tokenizer, fuse_biases, norm_shapes, published, take_fresh
from m2pt.weights.layouts import BLOCKS_ALONE, DESCRIPTIONS, LEAVES, OWN, Layout, possible_modalities
from m2pt.weights.positions import Resampling
from m2pt.weights.recognition import fitting
from m2pt.weights.saved import load_into
from m2pt.weights.shapes import block_shapes, tokenizer_shapes

Parts = Literal["all", "blocks"]


@dataclass(frozen=True)
class LoadedWeights:
    """An encoder from a file, under this project's keys: `tokenizer.*`, `blocks.N.*`, and `norm.*` if the file has it.

    `weights` says whether these are the trained ones or their moving average, `wrapper` is the entry of the file that held them,
    `beside` are entries with weights that were not taken. `ignored` are keys of the file that no encoder needs (decoder, head,
    optimizer); `filled` are biases that the layout does not have and that are zero; `fresh` are tensors that the file does not
    have and that keep the model's initial values (Point-MAE's class token and its position, the fixed positions of VideoMAE).
    `resampled` says how the positions were brought to another size; `norm_epsilon` is the epsilon of the norms if the layout can
    have an unusual one. `assumed` says what must be taken on trust, such as a number of heads that is written nowhere.
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
    assumed: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What a record keeps about how the file was read, independent of its path."""
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
            "assumed": self.assumed,
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


@dataclass(frozen=True)
class _Request:
    """What an encoder is read for. `reading` is what the study declares about the file, under the key `key`."""

    modality: Modality
    input: InputConfig | None
    model: ModelConfig
    parts: Parts
    reading: Reading
    key: str


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
    """Read an encoder from a file (or a folder that holds one), in any layout of `m2pt.weights.layouts`, which is recognised.

    Args:
        path: the file or folder.
        modality: the one that the study declares for the encoder.
        input_config: the form of its samples; only needed for the tokenizer.
        model_config: the encoder's sizes. Tensors do not show the number of heads: a wrong one goes unnoticed unless Hugging
            Face's config.json is next to the file.
        parts: `blocks` for an encoder that serves as an auxiliary: its tokenizer and final norm are ignored.
        reading: what the study declares about the file where the file itself is ambiguous.
        source: the encoder's name in the study, for the keys that a refusal names.

    Raises:
        UserError: the file is missing, damaged, a part of an encoder, of no known layout or of several, of another modality,
            depth, width or patch form, or it lacks tensors or has unknown ones; one sentence names them all.

    """
    request = _Request(modality, input_config, model_config, parts, reading or Reading(), f"encoders.{source}.reading.{modality}")
    content = read_content(path, request.reading.weights, f"{request.key}.weights")
    layouts = fitting(content, family_of(model_config).layouts, request.reading.layout, f"{request.key}.layout")
    possible = [layout for layout in layouts if _is_of(layout, modality, parts)]
    if not possible:
        raise _other_modality(content.file, layouts, modality, parts)
    ways = [_read(content, layout, request) for layout in possible]
    if not all(_alike(ways[0], other) for other in ways[1:]):
        names = " and ".join(DESCRIPTIONS[way.layout] for way in ways)
        raise UserError(
            f"{content.file}: could be {names}, which are read differently here; set {request.key}.layout to "
            f"{' or '.join(way.layout for way in ways)}."
        )
    return ways[0]


def _alike(one: LoadedWeights, other: LoadedWeights) -> bool:
    """Whether two ways to read a file lead to the same encoder."""
    same = one.tensors.keys() == other.tensors.keys() and one.fresh == other.fresh and one.filled == other.filled
    return same and all(torch.equal(tensor, other.tensors[key]) for key, tensor in one.tensors.items())


def _read(content: Content, layout: Layout, request: _Request) -> LoadedWeights:
    """The encoder in a file, read by one layout."""
    said = said_of(content.file, layout, request.reading)
    if said is not None:
        check_said(content.file, said, request.model, request.modality)
    mapped = ", or map auxiliaries to the target's size (pathway.mapping)" if request.parts == "blocks" else ""
    check_sizes(content.file, layout, request.model, mapped)
    tensors = dict(layout.tensors)
    filled = fuse_biases(tensors, layout, request.model)
    aside: list[str] = []
    if request.parts == "blocks":
        aside = [name for name in tensors if not name.startswith("blocks.")]
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("blocks.")}
        ends = _Ends({}, own_form=False)
    else:
        ends = _fit_ends(content.file, tensors, layout, request)
    check_keys(content, layout, tensors, {**block_shapes(request.model), **ends.shapes}, exact=not ends.own_form)
    return LoadedWeights(
        tensors={name: usable(content.file, name, tensor) for name, tensor in tensors.items()},
        layout=layout.name,
        ignored=(*layout.ignored, *aside),
        filled=tuple(filled),
        fresh=ends.fresh,
        resampled=ends.resampled,
        weights=content.weights,
        wrapper=content.wrapper,
        beside=content.beside,
        precisions=tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.ndim})),
        norm_epsilon=None if request.parts == "blocks" else _epsilon(content.file, layout, said),
        assumed=tuple(_assumed(layout, said, request)),
    )


def _epsilon(file: Path, layout: Layout, said: Said | None) -> float | None:
    return norm_epsilon(file, layout) if said is None or said.norm_epsilon is None else said.norm_epsilon


def _assumed(layout: Layout, said: Said | None, request: _Request) -> Iterator[str]:
    """What a reader of the study must take on trust."""
    if (said is None or said.heads is None) and request.model.family == "vit":
        yield f"the file does not say how many attention heads it has, so {request.model.heads} (model.heads) are assumed"
    if request.modality not in (seen := possible_modalities(layout)):
        yield f"its tokenizer, which is not used, is one of {' or '.join(seen)}"


@dataclass(frozen=True)
class _Ends:
    """The tensors before and after the blocks: the `shapes` that the file must have, and how it was converted.

    A tokenizer of this project's `own_form` is checked by its module later.
    """

    shapes: dict[str, tuple[int, ...]]
    own_form: bool
    fresh: tuple[str, ...] = ()
    resampled: Resampling | None = None


def _fit_ends(file: Path, tensors: dict[str, Tensor], layout: Layout, request: _Request) -> _Ends:
    """Convert a tokenizer's tensors to the form of the input, in place."""
    if layout.name in BLOCKS_ALONE:
        raise UserError(
            f"{file}: is {DESCRIPTIONS[layout.name]}, and no tokenizer here has two class tokens; name another file, or use this "
            "one as an auxiliary, which needs no tokenizer."
        )
    config = published(file, layout, request.modality, request.input)
    shapes: dict[str, tuple[int, ...]] = {}
    fresh: tuple[str, ...] = ()
    resampled = None
    if config is not None:
        shapes |= tokenizer_shapes(config, request.model.width)
        fresh = take_fresh(tensors, shapes, layout)
        resampled = fit_tokenizer(file, tensors, layout, request.modality, config, request.reading, request.key)
    shapes |= norm_shapes(tensors, layout, request.model)
    return _Ends(shapes, config is None, fresh, resampled)


def load_encoder(model: HasEncoder, loaded: LoadedWeights, source: str) -> tuple[str, ...]:
    """Copy a complete encoder into a model: tokenizer, blocks, and the final norm if the model has one.

    Returns the names of tensors for which the model has no place: a class token, a final norm.

    Raises:
        UserError: a tensor does not match the model; the sentence names `source`.

    """
    own = model.tokenizer.state_dict(prefix="tokenizer.")
    tensors = {key: tensor for key, tensor in loaded.tensors.items() if key not in CLASS or key in own}
    tensors |= {key: own[key] for key in loaded.fresh if key in own}
    # No file of pretrained weights has what fine-tuning adds to the blocks (`m2pt.config.BlocksConfig`).
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
    ambiguous = parts == "blocks" and layout.name not in OWN  # a file of M2PT's zoo may have a tokenizer of another modality
    possible = layout.modalities if ambiguous else possible_modalities(layout)
    return not possible or modality in possible


def _other_modality(file: Path, layouts: list[Layout], modality: Modality, parts: Parts) -> UserError:
    names = " or ".join(DESCRIPTIONS[layout.name] for layout in layouts)
    possible = dict.fromkeys(name for layout in layouts for name in possible_modalities(layout))
    way_out = "name the file of that modality"
    if parts == "all" and not layouts[0].modalities:
        way_out += ", or use this one as an auxiliary, which needs no tokenizer"
    held = f"is {names}, which is of the modality {' or '.join(possible)}"
    return UserError(f"{file}: {held}, and an encoder for {modality} is needed; {way_out}.")
