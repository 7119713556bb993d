"""The Multimodal Pathway: `y = x (W + sum_k scale_k * W_k)^T + b` in the layers of a model's blocks.

Source: *Multimodal Pathway: Improve Transformers with Irrelevant Data from Other Modalities* (CVPR 2024), section 3.3,
"Cross-Modal Re-parameterization". It works on any two models of the same layers in their blocks: timm's ViT, EVA, BEiT, Swin and
ConvNeXt (`m2pt.joining.joinable`), in linear layers and in convolutions, which are linear too. The weight itself is
re-parameterized, so code that reads `layer.weight` directly sees the sum too. Joined models can be copied, averaged, pickled and
merged independently of each other. This module and `m2pt.joining` import nothing but torch.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from m2pt.joining.joinable import (
    JOINABLE,
    HasBlocks,
    Joinable,
    Layer,
    PathwayError,
    blocks_of,
    heads_of,
    layers_by_place,
    refuse_pair,
    refuse_shared,
)
from m2pt.joining.joined import BRANCHED, JOINED, JoinedLayer, PathwayWeight, expand
from m2pt.joining.projected import ProjectedWeight, Projections, projections_between

__all__ = ["JOINABLE", "HasBlocks", "PathwayError", "attach", "auxiliary_weights", "effective_sizes", "merge", "scales"]

Granularity = Literal["layer", "block", "head", "channel"]
Order = Literal["normal", "reversed", "shuffled"]

Layers = Mapping[str, dict[str, Layer]]
"""The layers of each block, by their names in it, by the name of the block."""


def _scale_shape(granularity: Granularity, layer: str, weight: Tensor, heads: int | None) -> tuple[int, ...]:
    if granularity == "channel":
        return (weight.shape[0], 1)
    if granularity == "head" and layer == "attn.qkv":
        return (3 * cast(int, heads), 1)
    if granularity == "head" and layer == "attn.proj":
        return (1, cast(int, heads))
    return ()


def attach(
    target: Joinable,
    auxiliaries: Joinable | Sequence[Joinable],
    *,
    layers: Iterable[str] | None = None,
    granularity: Granularity = "layer",
    scale_init: float = 0.0,
    scale_trainable: bool = True,
    auxiliary_trainable: bool = True,
    auxiliary_dtype: torch.dtype | None = None,
    order: Order = "normal",
    order_seed: int = 0,
    branches: bool = False,
    projected: bool = False,
) -> None:
    """Join auxiliary models to the blocks of `target`, in place.

    Args:
        target: the model to improve; its own parameters keep their values.
        auxiliaries: one or more models whose blocks have the same layers, heads and biases; their weights are copied.
        layers: names of the layers to join in every block, or of parts whose layers are all joined (`mlp`); None joins all.
        granularity: a scale per `layer` (the paper), `block`, output `channel` or `head` (of q, k, v, `proj`; an MLP has none).
        scale_init: initial value of every scale; at 0 the model equals the target bit for bit.
        scale_trainable: whether the scales require gradients (the paper: yes).
        auxiliary_trainable: whether the auxiliary weights require gradients (the paper: yes).
        auxiliary_dtype: the type to which auxiliary weights that require none are rounded; None keeps the target's.
        order: which auxiliary block joins which target block; `reversed` and `shuffled` are controls, for blocks of equal shapes.
        order_seed: seed of the permutation of `shuffled`.
        branches: compute the auxiliaries in branches of their own instead of adding up the weights.
        projected: bring auxiliaries of another width to the target's by learned projections (`m2pt.joining.projected`).

    Raises:
        PathwayError: the models do not match, so nothing was joined; the message names the first mismatch.

    """
    sources, names = list(auxiliaries) if isinstance(auxiliaries, Sequence) else [auxiliaries], _names(layers)
    _refuse_options(names, granularity, scale_init, order, order_seed, auxiliary_dtype if auxiliary_trainable else None)
    ours, theirs = _layers_of_target(target, names), _layers_of_sources(target, sources, names)
    placed = _block_order(order, len(ours), order_seed)
    _refuse_misfits(target, ours, sources, theirs, placed, projected)
    _refuse_scales(target, ours, granularity, scale_init)
    maps = projections_between(target, sources, names, branches) if projected else None
    for block, members, index in zip(blocks_of(target).values(), ours.values(), placed, strict=True):
        made = _scales_of(members, len(sources), granularity, heads_of(block), scale_init, scale_trainable)
        _join(members, [list(of.values())[index] for of in theirs], made, auxiliary_trainable, auxiliary_dtype, branches, maps)


def _join(
    ours: dict[str, Layer],
    others: Sequence[dict[str, Layer]],
    scales: dict[str, list[nn.Parameter]],
    trainable: bool,
    dtype: torch.dtype | None,
    branches: bool,
    maps: Sequence[Projections] | None,
) -> None:
    """Join the layers of one block."""
    classes = BRANCHED if branches else JOINED
    for name, layer in ours.items():
        weights = [
            other[name].weight.detach().to(layer.weight.device, dtype or layer.weight.dtype, copy=True) for other in others
        ]
        join = (
            PathwayWeight(weights, scales[name], trainable=trainable)
            if maps is None
            else ProjectedWeight(weights, scales[name], maps, name, trainable=trainable)
        )
        classes[type(layer)].make_joined(layer, join)


def _names(layers: Iterable[str] | None) -> tuple[str, ...] | None:
    if isinstance(layers, str):
        raise PathwayError(f"layers: {layers!r} is a single string; give a sequence of names such as ({layers!r},)")
    return None if layers is None else tuple(layers)


def _scales_of(
    layers: dict[str, Layer], count: int, granularity: Granularity, heads: int | None, value: float, trainable: bool
) -> dict[str, list[nn.Parameter]]:
    """New scales for a block's layers, one for each of `count` auxiliaries; with one per block, all its layers share it."""
    if granularity == "block":
        shared = [_new_scale((), value, trainable, layer) for layer in list(layers.values())[:1] for _ in range(count)]
        return {name: shared for name in layers}
    scales: dict[str, list[nn.Parameter]] = {}
    for name, layer in layers.items():
        shape = _scale_shape(granularity, name, layer.weight, heads)
        scales[name] = [_new_scale(shape, value, trainable, layer) for _ in range(count)]
    return scales


def _new_scale(shape: tuple[int, ...], value: float, trainable: bool, layer: Layer) -> nn.Parameter:
    like = layer.weight
    return nn.Parameter(torch.full(shape, value, dtype=like.dtype, device=like.device), requires_grad=trainable)


def _block_order(order: Order, depth: int, seed: int) -> list[int]:
    if order == "reversed":
        return list(range(depth))[::-1]
    if order == "shuffled":
        return torch.randperm(depth, generator=torch.Generator().manual_seed(seed)).tolist()
    return list(range(depth))


def _refuse_options(
    layers: tuple[str, ...] | None,
    granularity: str,
    scale_init: float,
    order: str,
    order_seed: int,
    type_of_trained: torch.dtype | None,
) -> None:
    for name, value, known in (("granularity", granularity, get_args(Granularity)), ("order", order, get_args(Order))):
        if value not in known:
            raise PathwayError(f"{name}: {value!r} is unknown; use one of {', '.join(known)}")
    if layers is not None and (not layers or len(set(layers)) != len(layers)):
        raise PathwayError(f"layers: {layers} must name at least one layer, and none twice")
    if granularity == "head" and layers is not None and not set(layers) <= set(JOINABLE):
        raise PathwayError(f"layers: scales per head are only defined for {', '.join(JOINABLE)}")
    if isinstance(scale_init, bool) or not isinstance(scale_init, int | float) or not math.isfinite(scale_init):
        raise PathwayError(f"scale_init: {scale_init!r} is not a finite number")
    if isinstance(order_seed, bool) or not isinstance(order_seed, int):
        raise PathwayError(f"order_seed: {order_seed!r} is not a whole number")
    if type_of_trained is not None:
        raise PathwayError("auxiliary_dtype: auxiliary weights that are trained are kept in the target's type; leave it out")


def _layers_of_target(target: Joinable, names: tuple[str, ...] | None) -> Layers:
    """The layers to join, in a target that has no pathway yet and whose blocks share none of them."""
    if any(isinstance(part, JoinedLayer) for block in blocks_of(target).values() for part in block.modules()):
        raise PathwayError("the target already has a pathway; merge it first")
    layers = layers_by_place(target, names)
    refuse_shared(target, layers)
    return layers


def _layers_of_sources(target: Joinable, sources: Sequence[Joinable], names: tuple[str, ...] | None) -> list[Layers]:
    """The layers of each auxiliary, none of which has a block of the target."""
    if not sources:
        raise PathwayError("a pathway needs at least one auxiliary")
    own = {id(block) for block in blocks_of(target).values()}
    for number, source in enumerate(sources):
        if own & {id(other) for other in blocks_of(source).values()}:
            raise PathwayError(f"auxiliary {number} is the target itself, or shares blocks with it; give a copy (copy.deepcopy)")
    return [layers_by_place(source, names) for source in sources]


def _refuse_misfits(
    target: Joinable, ours: Layers, sources: Sequence[Joinable], theirs: Sequence[Layers], placed: Sequence[int], projected: bool
) -> None:
    blocks = blocks_of(target)
    for number, (source, layers) in enumerate(zip(sources, theirs, strict=True)):
        others = list(blocks_of(source).values())
        if len(others) != len(blocks):
            raise PathwayError(f"auxiliary {number} has {len(others)} blocks, the target has {len(blocks)}")
        for (place, block), other in zip(blocks.items(), (others[index] for index in placed), strict=True):
            if heads_of(block) != heads_of(other) and not projected:
                said = " heads, the target ".join(str(heads_of(each) or "no") for each in (other, block))
                raise PathwayError(f"{place}: auxiliary {number} has {said}")
        members = list(layers.values())
        for index, (place, mine) in enumerate(ours.items()):
            other_layers = members[placed[index]]
            if apart := mine.keys() ^ other_layers.keys():
                raise PathwayError(f"{place}: only one of target and auxiliary {number} has {', '.join(sorted(apart))}")
            for name, layer in mine.items():
                refuse_pair(f"{place}.{name}", layer, number, other_layers[name], projected)


def _refuse_scales(target: Joinable, layers: Layers, granularity: Granularity, scale_init: float) -> None:
    """Refuse scales that cannot be represented, shared or divided among heads as the caller asks."""
    for block, members in layers.items():
        if granularity == "block" and len({(layer.weight.dtype, layer.weight.device) for layer in members.values()}) > 1:
            raise PathwayError(f"{block}: its layers differ in type or device, so they cannot share one scale")
        heads = heads_of(blocks_of(target)[block])
        known = {name for name, layer in members.items() if name in JOINABLE and isinstance(layer, nn.Linear)}
        if granularity == "head" and (heads is None or known != members.keys()):
            raise PathwayError(f"{block}: scales per head need `attn.num_heads`, and linear layers among {', '.join(JOINABLE)}")
        for name, layer in members.items():
            weight, place = layer.weight, f"{block}.{name}"
            held = float(torch.tensor(scale_init, dtype=weight.dtype))
            if not math.isfinite(held) or (held == 0) != (scale_init == 0):
                raise PathwayError(f"scale_init: {scale_init} is {held} in {weight.dtype}, the type of {place}")
            rows, columns = _scale_shape(granularity, name, weight, heads) or (1, 1)
            if weight.shape[0] % rows or weight.shape[1] % columns:
                raise PathwayError(f"{place}: its weight {tuple(weight.shape)} cannot be divided among {heads} heads")


def _joined(model: Joinable) -> Iterator[tuple[str, JoinedLayer]]:
    """Each joined layer with its name (`blocks.3.attn.qkv`)."""
    for place, block in blocks_of(model).items():
        for name, module in block.named_modules():
            if isinstance(module, JoinedLayer):
                yield f"{place}.{name}", module


def _key(name: str, number: int, join: PathwayWeight) -> str:
    return f"{name}.{number}" if len(join.scales) > 1 else name


def scales(model: Joinable) -> dict[str, nn.Parameter]:
    """The scales by layer name, `blocks.3.attn.qkv`; with several auxiliaries `blocks.3.attn.qkv.0`, `.1`, ..."""
    return {
        _key(name, number, layer.join): cast(nn.Parameter, scale)
        for name, layer in _joined(model)
        for number, scale in enumerate(layer.join.scales)
    }


def auxiliary_weights(model: Joinable) -> dict[str, nn.Parameter]:
    """The auxiliary weights by layer name, named as in `scales`."""
    return {
        _key(name, number, layer.join): cast(nn.Parameter, weight)
        for name, layer in _joined(model)
        for number, weight in enumerate(layer.join.auxiliaries)
    }


@torch.no_grad()
def effective_sizes(model: Joinable) -> dict[str, float]:
    """How much each joined layer is changed: `|scale| * ||W_aux|| / ||W||` (Frobenius), named as in `scales`."""
    return {
        _key(name, number, layer.join): float((expand(scale, weight) * weight).norm() / layer.own.norm())
        for name, layer in _joined(model)
        for number, scale in enumerate(layer.join.scales)
        for weight in [layer.join.added(number)]
    }


@torch.no_grad()
def merge(model: Joinable) -> None:
    """Fold the pathway into the weights, in place; the result is a plain model with its own parameters. Copies do not change.

    Raises:
        PathwayError: the model has no pathway, or a merged weight would not be finite; the model is left unchanged.

    """
    joined = list(_joined(model))
    if not joined:
        raise PathwayError("the model has no pathway to merge")
    for name, layer in joined:
        if not torch.isfinite(layer.weight).all():
            raise PathwayError(f"{name}: the merged weight is not finite; nothing was merged")
    for _, layer in joined:
        layer.make_plain()
