"""The Multimodal Pathway: `y = x (W + sum_k scale_k * W_k)^T + b` in the linear layers of a transformer's blocks.

Source: *Multimodal Pathway: Improve Transformers with Irrelevant Data from Other Modalities* (CVPR 2024), section 3.3,
"Cross-Modal Re-parameterization". Works on any model whose `blocks` have timm's form (`attn.qkv`, `attn.proj`, `mlp.fc1`,
`mlp.fc2`, `attn.num_heads`). The weight itself is re-parameterized (`torch.nn.utils.parametrize`), so code that reads
`layer.weight` directly sees the sum too. This module imports torch alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
Granularity = Literal["layer", "block", "head", "channel"]
Order = Literal["normal", "reversed", "shuffled"]


class PathwayError(ValueError):
    """Target and auxiliary do not fit, or a model cannot be joined or merged; the message names the place."""


class HasBlocks(Protocol):
    """A transformer: its blocks in order, each of timm's form."""

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """The blocks."""


class PathwayWeight(nn.Module):
    """The re-parameterized weight of one layer: `W + sum_k scale_k * W_k`. `auxiliary_k` has the shape of `W`."""

    def __init__(self, auxiliaries: Sequence[Tensor], scales: Sequence[nn.Parameter], *, trainable: bool) -> None:
        super().__init__()
        self.scales = nn.ParameterList(scales)
        self.auxiliaries = nn.ParameterList([nn.Parameter(weight, requires_grad=trainable) for weight in auxiliaries])

    def delta(self) -> Tensor:
        """The sum of the scaled auxiliary weights, the one formula that forward and merge share."""
        terms = [_expand(scale, auxiliary) * auxiliary for scale, auxiliary in zip(self.scales, self.auxiliaries, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer computes with."""
        return weight + self.delta()


class TwoBranchLinear(nn.Linear):
    """The same layer computed as it is drawn in the paper, `x W^T + sum_k scale_k * (x W_k^T) + b`: no sum of weights is formed.

    Equal to the re-parameterized layer up to rounding, at about twice its cost: the rival that shows what merging saves.
    """

    def __init__(self, linear: nn.Linear, join: PathwayWeight) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        y = nn.functional.linear(x, self.weight, self.bias)
        for scale, auxiliary in zip(self.join.scales, self.join.auxiliaries, strict=True):
            if scale.ndim == 0:
                y = y + scale * nn.functional.linear(x, auxiliary)
            else:
                y = y + nn.functional.linear(x, _expand(scale, auxiliary) * auxiliary)
        return y


def _expand(scale: Tensor, weight: Tensor) -> Tensor:
    """Repeat a scale over the rows or columns it rules: () stays, (R, 1) rules equal groups of rows, (1, C) of columns."""
    if scale.ndim == 0:
        return scale
    rows, columns = scale.shape
    if columns == 1:
        return scale.repeat_interleave(weight.shape[0] // rows, dim=0)
    return scale.repeat_interleave(weight.shape[1] // columns, dim=1)


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
    layers: Iterable[str] = LAYERS,
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
        target: the transformer that is improved; its parameters stay what they are.
        auxiliaries: one or more transformers of the same depth, width, heads and biases; their weights are copied.
        layers: names of the linear layers to join in every block.
        granularity: one scale per `layer` (the paper), per `block`, per `head` (one per head and q, k, v in `attn.qkv`, one
            per head in `attn.proj`, one per layer in the MLP) or per output `channel`.
        scale_init: first value of every scale; at 0 the model equals the target bit for bit.
        scale_trainable: whether the scales require gradients.
        auxiliary_trainable: whether the auxiliary weights require gradients (the paper: yes).
        order: which auxiliary block joins which target block (`reversed` and `shuffled` are controls).
        order_seed: seed of the permutation of `shuffled`.
        branches: compute the auxiliary's branch beside the target's instead of adding up their weights (`TwoBranchLinear`).

    Raises:
        PathwayError: nothing was joined because the transformers do not fit; the message names the first misfit.

    """
    sources = list(auxiliaries) if isinstance(auxiliaries, Sequence) else [auxiliaries]
    layers = tuple(layers)
    _refuse_misfits(target, sources, layers)
    blocks = _blocks(target)
    sequence = _block_order(order, len(blocks), order_seed)
    for index, block in enumerate(blocks):
        shared = [_new_scale((), scale_init, scale_trainable, block) for _ in sources] if granularity == "block" else None
        for layer in layers:
            linear = _linear(block, layer)
            weights = [
                _linear(_blocks(source)[sequence[index]], layer).weight.detach().to(linear.weight, copy=True)
                for source in sources
            ]
            shape = _scale_shape(granularity, layer, linear.weight, _heads(block))
            scales = shared or [_new_scale(shape, scale_init, scale_trainable, block) for _ in sources]
            join = PathwayWeight(weights, scales, trainable=auxiliary_trainable)
            if branches:
                block.set_submodule(layer, TwoBranchLinear(linear, join))
            else:
                parametrize.register_parametrization(linear, "weight", join, unsafe=False)


def _new_scale(shape: tuple[int, ...], value: float, trainable: bool, block: nn.Module) -> nn.Parameter:
    like = next(block.parameters())
    return nn.Parameter(torch.full(shape, value, dtype=like.dtype, device=like.device), requires_grad=trainable)


def _block_order(order: Order, depth: int, seed: int) -> list[int]:
    if order == "reversed":
        return list(range(depth))[::-1]
    if order == "shuffled":
        return torch.randperm(depth, generator=torch.Generator().manual_seed(seed)).tolist()
    return list(range(depth))


def _blocks(model: HasBlocks) -> list[nn.Module]:
    return list(model.blocks)


def _heads(block: nn.Module) -> int:
    return int(cast(int, block.get_submodule("attn").num_heads))


def _linear(block: nn.Module, layer: str) -> nn.Linear:
    try:
        module = block.get_submodule(layer)
    except AttributeError as error:
        raise PathwayError(f"a block has no layer {layer!r}; blocks of timm's form have {', '.join(LAYERS)}") from error
    if not isinstance(module, nn.Linear):
        raise PathwayError(f"{layer} is a {type(module).__name__}, not a linear layer")
    return module


def _refuse_misfits(target: HasBlocks, sources: Sequence[HasBlocks], layers: tuple[str, ...]) -> None:
    blocks = _blocks(target)
    if not blocks or not sources or not layers:
        raise PathwayError("a pathway needs blocks, at least one auxiliary and at least one layer")
    if any(
        parametrize.is_parametrized(part) or isinstance(part, TwoBranchLinear) for block in blocks for part in block.modules()
    ):
        raise PathwayError("the target already has a pathway; merge it first")
    for number, source in enumerate(sources):
        others = _blocks(source)
        if len(others) != len(blocks):
            raise PathwayError(f"auxiliary {number} has {len(others)} blocks, the target has {len(blocks)}")
        for index, (block, other) in enumerate(zip(blocks, others, strict=True)):
            if _heads(block) != _heads(other):
                raise PathwayError(f"blocks.{index}: auxiliary {number} has {_heads(other)} heads, the target {_heads(block)}")
            for layer in layers:
                ours, theirs = _linear(block, layer), _linear(other, layer)
                if ours.weight.shape != theirs.weight.shape:
                    shapes = f"{tuple(theirs.weight.shape)}, in the target {tuple(ours.weight.shape)}"
                    raise PathwayError(f"blocks.{index}.{layer}: the weight of auxiliary {number} is {shapes}")
                if (ours.bias is None) != (theirs.bias is None):
                    raise PathwayError(f"blocks.{index}.{layer}: only one of target and auxiliary {number} has a bias")


def _joined(model: HasBlocks) -> Iterator[tuple[str, nn.Linear, PathwayWeight]]:
    """Each joined layer with its name (`blocks.3.attn.qkv`) and its re-parameterization."""
    for index, block in enumerate(_blocks(model)):
        for name, module in block.named_modules():
            if isinstance(module, TwoBranchLinear):
                yield f"blocks.{index}.{name}", module, module.join
            elif isinstance(module, nn.Linear) and parametrize.is_parametrized(module, "weight"):
                weight = cast(nn.ModuleDict, module.parametrizations)["weight"]
                yield f"blocks.{index}.{name}", module, cast(PathwayWeight, cast(nn.ModuleList, weight)[0])


def _key(name: str, number: int, join: PathwayWeight) -> str:
    return f"{name}.{number}" if len(join.scales) > 1 else name


def scales(model: HasBlocks) -> dict[str, nn.Parameter]:
    """The scales by layer name, `blocks.3.attn.qkv`; with several auxiliaries `blocks.3.attn.qkv.0`, `.1`, ..."""
    found: dict[str, nn.Parameter] = {}
    for name, _, join in _joined(model):
        for number, scale in enumerate(join.scales):
            found[_key(name, number, join)] = cast(nn.Parameter, scale)
    return found


def auxiliary_weights(model: HasBlocks) -> dict[str, nn.Parameter]:
    """The auxiliary weights by layer name, named as in `scales`."""
    found: dict[str, nn.Parameter] = {}
    for name, _, join in _joined(model):
        for number, weight in enumerate(join.auxiliaries):
            found[_key(name, number, join)] = cast(nn.Parameter, weight)
    return found


@torch.no_grad()
def effective_sizes(model: HasBlocks) -> dict[str, float]:
    """How much each joined layer is changed: `|scale| * ||W_aux|| / ||W||` (Frobenius), named as in `scales`."""
    found: dict[str, float] = {}
    for name, linear, join in _joined(model):
        own = _own_weight(linear)
        for number, (scale, weight) in enumerate(zip(join.scales, join.auxiliaries, strict=True)):
            size = (_expand(scale, weight) * weight).norm() / own.norm()
            found[_key(name, number, join)] = float(size)
    return found


def _own_weight(linear: nn.Linear) -> Tensor:
    """The target's own weight of a joined layer."""
    if isinstance(linear, TwoBranchLinear):
        return linear.weight
    return cast(Tensor, cast(nn.ModuleDict, linear.parametrizations)["weight"].original)


@torch.no_grad()
def merge(model: HasBlocks) -> None:
    """Fold the pathway into the weights, in place; what remains is a plain model with plain parameters.

    Raises:
        PathwayError: the model has no pathway, or a merged weight would not be finite; nothing was changed then.

    """
    joined = list(_joined(model))
    if not joined:
        raise PathwayError("the model has no pathway to merge")
    for name, linear, join in joined:
        if not torch.isfinite(join(_own_weight(linear))).all():
            raise PathwayError(f"{name}: the merged weight is not finite; nothing was merged")
    for name, linear, join in joined:
        trainable = _own_weight(linear).requires_grad
        if isinstance(linear, TwoBranchLinear):
            index, layer = name.removeprefix("blocks.").split(".", 1)
            _blocks(model)[int(index)].set_submodule(layer, _plain(linear, join(linear.weight)))
            continue
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
        linear.weight.requires_grad_(trainable)


def _plain(linear: nn.Linear, weight: Tensor) -> nn.Linear:
    """A plain linear layer with this weight and the bias of another."""
    with torch.device("meta"):  # nothing is drawn
        plain = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
    plain.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
    plain.bias = linear.bias
    return plain
