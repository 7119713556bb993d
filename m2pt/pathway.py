"""The Multimodal Pathway: `y = x (W + sum_k scale_k * W_k)^T + b` in the linear layers of a transformer's blocks.

Source: *Multimodal Pathway: Improve Transformers with Irrelevant Data from Other Modalities* (CVPR 2024), section 3.3,
"Cross-Modal Re-parameterization". It works on any model whose `blocks` have timm's form (`attn.qkv`, `attn.proj`, `mlp.fc1`,
`mlp.fc2`, `attn.num_heads`). The weight itself is re-parameterized, so code that reads `layer.weight` directly sees the sum too.
Joined models can be copied, averaged, pickled and merged independently of each other. This module and `m2pt.joined` import
nothing but torch.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol, cast, get_args

import torch
from torch import Tensor, nn

from m2pt.joined import JoinedLinear, PathwayWeight, TwoBranchLinear, expand

JOINABLE = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
"""The linear layers of a block of timm's form."""

Granularity = Literal["layer", "block", "head", "channel"]
Order = Literal["normal", "reversed", "shuffled"]


class PathwayError(ValueError):
    """Target and auxiliary do not match, or a model cannot be joined or merged; the message names the layer."""


class HasBlocks(Protocol):
    """A transformer: its blocks in order, each of timm's form."""

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """The blocks."""


def _scale_shape(granularity: Granularity, layer: str, weight: Tensor, heads: int) -> tuple[int, ...]:
    if granularity == "channel":
        return (weight.shape[0], 1)
    if granularity == "head" and layer == "attn.qkv":
        return (3 * heads, 1)
    if granularity == "head" and layer == "attn.proj":
        return (1, heads)
    return ()


def attach(
    target: HasBlocks,
    auxiliaries: HasBlocks | Sequence[HasBlocks],
    *,
    layers: Iterable[str] = JOINABLE,
    granularity: Granularity = "layer",
    scale_init: float = 0.0,
    scale_trainable: bool = True,
    auxiliary_trainable: bool = True,
    order: Order = "normal",
    order_seed: int = 0,
    branches: bool = False,
) -> None:
    """Join auxiliary transformers to the blocks of `target`, in place.

    Args:
        target: the transformer to improve; its own parameters keep their values.
        auxiliaries: one or more transformers of the same depth, width, heads and biases; their weights are copied.
        layers: names of the linear layers to join in every block.
        granularity: one scale per `layer` (the paper), per `block`, per `head` (one per head and q, k, v in `attn.qkv`, one
            per head in `attn.proj`, one per layer in the MLP) or per output `channel`.
        scale_init: initial value of every scale; at 0 the model equals the target bit for bit.
        scale_trainable: whether the scales require gradients (the paper: yes).
        auxiliary_trainable: whether the auxiliary weights require gradients (the paper: yes).
        order: which auxiliary block joins which target block (`reversed` and `shuffled` are controls).
        order_seed: seed of the permutation of `shuffled`.
        branches: compute the auxiliaries in branches of their own instead of adding up the weights (`TwoBranchLinear`).

    Raises:
        PathwayError: the transformers do not match, so nothing was joined; the message names the first mismatch.

    """
    sources = list(auxiliaries) if isinstance(auxiliaries, Sequence) else [auxiliaries]
    layers = _names(layers)
    _refuse_options(layers, granularity, scale_init, order, order_seed)
    _refuse_misfits(target, sources, layers)
    _refuse_scales(target, layers, granularity, scale_init)
    blocks, joined_class = _blocks(target), TwoBranchLinear if branches else JoinedLinear
    for block, place in zip(blocks, _block_order(order, len(blocks), order_seed), strict=True):
        others = [_blocks(source)[place] for source in sources]
        scales = _scales_of(block, len(others), layers, granularity, scale_init, scale_trainable)
        for layer in layers:
            linear = _linear(block, layer)
            weights = [_linear(other, layer).weight.detach().to(linear.weight, copy=True) for other in others]
            joined_class.make_joined(linear, PathwayWeight(weights, scales[layer], trainable=auxiliary_trainable))


def _names(layers: Iterable[str]) -> tuple[str, ...]:
    if isinstance(layers, str):
        raise PathwayError(f"layers: {layers!r} is a single string; give a sequence of names such as ({layers!r},)")
    return tuple(layers)


def _scales_of(
    block: nn.Module, count: int, layers: tuple[str, ...], granularity: Granularity, value: float, trainable: bool
) -> dict[str, list[nn.Parameter]]:
    """New scales for a block's layers, one for each of `count` auxiliaries; with one per block, all its layers share it."""
    if granularity == "block":
        shared = [_new_scale((), value, trainable, _linear(block, layers[0])) for _ in range(count)]
        return {layer: shared for layer in layers}
    scales: dict[str, list[nn.Parameter]] = {}
    for layer in layers:
        linear = _linear(block, layer)
        shape = _scale_shape(granularity, layer, linear.weight, _heads(block))
        scales[layer] = [_new_scale(shape, value, trainable, linear) for _ in range(count)]
    return scales


def _new_scale(shape: tuple[int, ...], value: float, trainable: bool, linear: nn.Linear) -> nn.Parameter:
    like = linear.weight
    return nn.Parameter(torch.full(shape, value, dtype=like.dtype, device=like.device), requires_grad=trainable)


def _block_order(order: Order, depth: int, seed: int) -> list[int]:
    if order == "reversed":
        return list(range(depth))[::-1]
    if order == "shuffled":
        return torch.randperm(depth, generator=torch.Generator().manual_seed(seed)).tolist()
    return list(range(depth))


def _blocks(model: HasBlocks) -> list[nn.Module]:
    members = getattr(model, "blocks", None)
    blocks = list(members) if isinstance(members, Iterable) else []
    if not blocks or not all(isinstance(block, nn.Module) for block in blocks):
        raise PathwayError(f"{type(model).__name__} has no `blocks`; a pathway joins transformers with blocks of timm's form")
    return blocks


def _heads(block: nn.Module) -> int:
    heads = getattr(getattr(block, "attn", None), "num_heads", None)
    if not isinstance(heads, int) or heads < 1:
        raise PathwayError(f"a block ({type(block).__name__}) has no `attn.num_heads`; blocks must be of timm's form")
    return heads


def _linear(block: nn.Module, layer: str) -> nn.Linear:
    try:
        module = block.get_submodule(layer)
    except AttributeError as error:
        raise PathwayError(f"a block has no layer {layer!r}; blocks of timm's form have {', '.join(JOINABLE)}") from error
    if isinstance(module, JoinedLinear):
        raise PathwayError(f"{layer} already has a pathway; merge it first")
    if type(module) is not nn.Linear or "weight" not in module._parameters:
        raise PathwayError(f"{layer} is a {type(module).__name__}, not a linear layer with a plain weight")
    return module


def _refuse_options(layers: tuple[str, ...], granularity: str, scale_init: float, order: str, order_seed: int) -> None:
    for name, value, known in (("granularity", granularity, get_args(Granularity)), ("order", order, get_args(Order))):
        if value not in known:
            raise PathwayError(f"{name}: {value!r} is unknown; use one of {', '.join(known)}")
    if not layers or len(set(layers)) != len(layers):
        raise PathwayError(f"layers: {layers} must name at least one layer, and none twice")
    if granularity == "head" and not set(layers) <= set(JOINABLE):
        raise PathwayError(f"layers: scales per head are only defined for {', '.join(JOINABLE)}")
    if isinstance(scale_init, bool) or not isinstance(scale_init, int | float) or not math.isfinite(scale_init):
        raise PathwayError(f"scale_init: {scale_init!r} is not a finite number")
    if isinstance(order_seed, bool) or not isinstance(order_seed, int):
        raise PathwayError(f"order_seed: {order_seed!r} is not a whole number")


def _refuse_misfits(target: HasBlocks, sources: Sequence[HasBlocks], layers: tuple[str, ...]) -> None:
    blocks = _blocks(target)
    if not sources:
        raise PathwayError("a pathway needs at least one auxiliary")
    if any(isinstance(part, JoinedLinear) for block in blocks for part in block.modules()):
        raise PathwayError("the target already has a pathway; merge it first")
    places: dict[int, str] = {}
    for index, block in enumerate(blocks):
        for layer in layers:
            place = f"blocks.{index}.{layer}"
            if (known := places.setdefault(id(_linear(block, layer)), place)) != place:
                raise PathwayError(f"{place} is the same layer as {known}; layers that blocks share cannot be joined")
    for number, source in enumerate(sources):
        others = _blocks(source)
        if {id(block) for block in blocks} & {id(other) for other in others}:
            raise PathwayError(f"auxiliary {number} is the target itself, or shares blocks with it; give a copy (copy.deepcopy)")
        if len(others) != len(blocks):
            raise PathwayError(f"auxiliary {number} has {len(others)} blocks, the target has {len(blocks)}")
        for index, (block, other) in enumerate(zip(blocks, others, strict=True)):
            if _heads(block) != _heads(other):
                raise PathwayError(f"blocks.{index}: auxiliary {number} has {_heads(other)} heads, the target {_heads(block)}")
            for layer in layers:
                _refuse_pair(f"blocks.{index}.{layer}", _linear(block, layer), number, _linear(other, layer))


def _refuse_pair(place: str, ours: nn.Linear, number: int, theirs: nn.Linear) -> None:
    """Refuse two corresponding layers whose shapes, biases or types do not match, and auxiliary weights that are not finite."""
    if ours.weight.shape != theirs.weight.shape:
        shapes = f"{tuple(theirs.weight.shape)}, in the target {tuple(ours.weight.shape)}"
        raise PathwayError(f"{place}: the weight of auxiliary {number} is {shapes}")
    if (ours.bias is None) != (theirs.bias is None):
        raise PathwayError(f"{place}: only one of target and auxiliary {number} has a bias")
    for weight in (ours.weight, theirs.weight):
        if not weight.is_floating_point():
            raise PathwayError(f"{place}: weights must be floating-point numbers, but one is {weight.dtype}")
    if not theirs.weight.is_meta and not torch.isfinite(theirs.weight.to(ours.weight.dtype)).all():
        raise PathwayError(f"{place}: the weight of auxiliary {number} is not finite in the target's type, {ours.weight.dtype}")


def _refuse_scales(target: HasBlocks, layers: tuple[str, ...], granularity: Granularity, scale_init: float) -> None:
    """Refuse scales that cannot be represented, shared or divided among heads as the caller asks."""
    for index, block in enumerate(_blocks(target)):
        weights = {f"blocks.{index}.{layer}": _linear(block, layer).weight for layer in layers}
        if granularity == "block" and len({(weight.dtype, weight.device) for weight in weights.values()}) > 1:
            raise PathwayError(f"blocks.{index}: its layers differ in type or device, so they cannot share one scale")
        for (place, weight), layer in zip(weights.items(), layers, strict=True):
            held = float(torch.tensor(scale_init, dtype=weight.dtype))
            if not math.isfinite(held) or (held == 0) != (scale_init == 0):
                raise PathwayError(f"scale_init: {scale_init} is {held} in {weight.dtype}, the type of {place}")
            rows, columns = _scale_shape(granularity, layer, weight, _heads(block)) or (1, 1)
            if weight.shape[0] % rows or weight.shape[1] % columns:
                raise PathwayError(f"{place}: its weight {tuple(weight.shape)} cannot be divided among {_heads(block)} heads")


def _joined(model: HasBlocks) -> Iterator[tuple[str, JoinedLinear]]:
    """Each joined layer with its name (`blocks.3.attn.qkv`)."""
    for index, block in enumerate(_blocks(model)):
        for name, module in block.named_modules():
            if isinstance(module, JoinedLinear):
                yield f"blocks.{index}.{name}", module


def _key(name: str, number: int, join: PathwayWeight) -> str:
    return f"{name}.{number}" if len(join.scales) > 1 else name


def scales(model: HasBlocks) -> dict[str, nn.Parameter]:
    """The scales by layer name, `blocks.3.attn.qkv`; with several auxiliaries `blocks.3.attn.qkv.0`, `.1`, ..."""
    return {
        _key(name, number, linear.join): cast(nn.Parameter, scale)
        for name, linear in _joined(model)
        for number, scale in enumerate(linear.join.scales)
    }


def auxiliary_weights(model: HasBlocks) -> dict[str, nn.Parameter]:
    """The auxiliary weights by layer name, named as in `scales`."""
    return {
        _key(name, number, linear.join): cast(nn.Parameter, weight)
        for name, linear in _joined(model)
        for number, weight in enumerate(linear.join.auxiliaries)
    }


@torch.no_grad()
def effective_sizes(model: HasBlocks) -> dict[str, float]:
    """How much each joined layer is changed: `|scale| * ||W_aux|| / ||W||` (Frobenius), named as in `scales`."""
    return {
        _key(name, number, linear.join): float((expand(scale, weight) * weight).norm() / linear.own.norm())
        for name, linear in _joined(model)
        for number, (scale, weight) in enumerate(zip(linear.join.scales, linear.join.auxiliaries, strict=True))
    }


@torch.no_grad()
def merge(model: HasBlocks) -> None:
    """Fold the pathway into the weights, in place; the result is a plain model with its own parameters. Copies do not change.

    Raises:
        PathwayError: the model has no pathway, or a merged weight would not be finite; the model is left unchanged.

    """
    joined = list(_joined(model))
    if not joined:
        raise PathwayError("the model has no pathway to merge")
    for name, linear in joined:
        if not torch.isfinite(linear.weight).all():
            raise PathwayError(f"{name}: the merged weight is not finite; nothing was merged")
    for _, linear in joined:
        linear.make_plain()
