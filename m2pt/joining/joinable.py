"""What `m2pt.pathway` can join in a model: its blocks, and the linear layers and convolutions in each; imports torch alone."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import nn

from m2pt.joining.joined import JOINED, JoinedLayer

JOINABLE = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
"""The linear layers of a block of timm's ViT."""

Layer = nn.Linear | nn.Conv2d
"""A layer that can be joined."""

LINEAR = (nn.Linear, nn.modules.conv._ConvNd)
"""All that is linear in its weight: what of it cannot be joined is told, and not left out."""


class PathwayError(ValueError):
    """Target and auxiliary do not match, or a model cannot be joined or merged; the message names the layer."""


class HasBlocks(Protocol):
    """An encoder with its blocks in order."""

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """The blocks."""


Joinable = HasBlocks | nn.Module
"""A model with `blocks`, or with several parts that have them (the stages of timm's ConvNeXt, the layers of its Swin)."""


def blocks_of(model: Joinable) -> dict[str, nn.Module]:
    """The blocks of a model by their names, in order: `blocks.3`, or `stages.2.blocks.3` where its stages have blocks.

    Raises:
        PathwayError: it has none.

    """
    members = getattr(model, "blocks", None)
    blocks = {f"blocks.{index}": block for index, block in enumerate(members)} if isinstance(members, Iterable) else {}
    if not hasattr(model, "blocks") and isinstance(model, nn.Module):
        blocks = _blocks_of_parts(model)
    if not blocks or not all(isinstance(block, nn.Module) for block in blocks.values()):
        raise PathwayError(f"{type(model).__name__} has no `blocks`; a pathway joins models whose blocks have timm's names")
    return blocks


def _blocks_of_parts(model: nn.Module) -> dict[str, nn.Module]:
    """The blocks of all parts of a model; blocks inside of blocks belong to the outer ones."""
    blocks: dict[str, nn.Module] = {}
    for name, part in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in blocks)
        if name.endswith(".blocks") and isinstance(part, nn.Sequential | nn.ModuleList) and not inside:
            blocks |= {f"{name}.{index}": block for index, block in enumerate(part)}
    return blocks


def heads_of(block: nn.Module) -> int | None:
    """The attention heads of a block; None if it has none, or does not say."""
    heads = getattr(getattr(block, "attn", None), "num_heads", None)
    return heads if isinstance(heads, int) and heads > 0 else None


def layers_of(block: nn.Module, names: Iterable[str] | None) -> dict[str, Layer]:
    """The layers to join in a block, by their names in it.

    `names` are those of layers, or of parts whose layers are all meant (`mlp`); None means all layers of the block.

    Raises:
        PathwayError: there is no such layer, or it is none that can be joined.

    """
    if names is None:
        return {name: _plain(name, part) for name, part in block.named_modules() if name and isinstance(part, LINEAR)}
    layers: dict[str, Layer] = {}
    for name in names:
        part = _part(block, name)
        inside = {f"{name}.{inner}": each for inner, each in part.named_modules() if inner and isinstance(each, LINEAR)}
        whole = inside if inside and not isinstance(part, LINEAR) else {name: part}
        for key, layer in whole.items():
            if key in layers:
                raise PathwayError(f"layers: {name} and another name both mean {key}; name it once")
            layers[key] = _plain(key, layer)
    return layers


def _part(block: nn.Module, name: str) -> nn.Module:
    try:
        return block.get_submodule(name)
    except AttributeError as error:
        known = [inner for inner, part in block.named_modules() if inner and isinstance(part, Layer)]
        held = f"its layers are {', '.join(known)}" if known else "it has no linear layer and no convolution"
        raise PathwayError(f"a block ({type(block).__name__}) has no layer {name!r}; {held}") from error


def _plain(name: str, layer: nn.Module) -> Layer:
    """The layer, if it is a plain one."""
    if isinstance(layer, JoinedLayer):
        raise PathwayError(f"{name} already has a pathway; merge it first")
    if type(layer) not in JOINED or "weight" not in layer._parameters or not isinstance(layer, Layer):
        raise PathwayError(f"{name} is a {type(layer).__name__}, not a linear layer or a convolution with a plain weight")
    return layer


def layers_by_place(model: Joinable, names: Iterable[str] | None) -> Mapping[str, dict[str, Layer]]:
    """The layers to join in each block, by the name of the block.

    Raises:
        PathwayError: as `blocks_of` and `layers_of`; or no block has any.

    """
    layers = {place: layers_of(block, names) for place, block in blocks_of(model).items()}
    if not any(layers.values()):
        raise PathwayError(f"the blocks of {type(model).__name__} have no linear layer and no convolution")
    return layers


def refuse_shared(model: Joinable, layers: Mapping[str, Mapping[str, Layer]]) -> None:
    """Refuse layers that two blocks have, and weights that another layer has too: a merge would change both.

    Raises:
        PathwayError: naming the layer and the other place.

    """
    known: dict[int, str] = {}
    for place, members in layers.items():
        for name, layer in members.items():
            if (other := known.setdefault(id(layer), f"{place}.{name}")) != f"{place}.{name}":
                raise PathwayError(f"{place}.{name} is the same layer as {other}; layers that blocks share cannot be joined")
    joined = {id(layer.weight): layer for members in layers.values() for layer in members.values()}
    for root, whole in ({"": model} if isinstance(model, nn.Module) else blocks_of(model)).items():
        for name, part in whole.named_modules():
            for parameter in part._parameters.values():
                layer = part if parameter is None else joined.get(id(parameter), part)
                if layer is not part:
                    other = f"{root}.{name}".strip(".") or type(part).__name__
                    raise PathwayError(f"{known[id(layer)]} shares its weight with {other}; such a weight cannot be joined")


def refuse_pair(place: str, ours: Layer, number: int, theirs: Layer, projected: bool) -> None:
    """Refuse two corresponding layers that do not match in shape, bias or type, and auxiliary weights that are not finite.

    Raises:
        PathwayError: naming the layer and the auxiliary.

    """
    if type(ours) is not type(theirs):
        raise PathwayError(f"{place}: auxiliary {number} has a {type(theirs).__name__}, the target a {type(ours).__name__}")
    if ours.weight.shape != theirs.weight.shape and not projected:
        shapes = f"{tuple(theirs.weight.shape)}, in the target {tuple(ours.weight.shape)}"
        raise PathwayError(f"{place}: the weight of auxiliary {number} is {shapes}")
    for key in ("groups", "dilation"):
        if (theirs_of := getattr(theirs, key, None)) != (ours_of := getattr(ours, key, None)):
            raise PathwayError(f"{place}: auxiliary {number} has {key} {theirs_of}, the target {ours_of}")
    if (ours.bias is None) != (theirs.bias is None) and not projected:
        raise PathwayError(f"{place}: only one of target and auxiliary {number} has a bias")
    for weight in (ours.weight, theirs.weight):
        if not weight.is_floating_point():
            raise PathwayError(f"{place}: weights must be floating-point numbers, but one is {weight.dtype}")
    if not theirs.weight.is_meta and not torch.isfinite(theirs.weight.to(ours.weight.dtype)).all():
        raise PathwayError(f"{place}: the weight of auxiliary {number} is not finite in the target's type, {ours.weight.dtype}")
