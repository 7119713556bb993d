"""The sums of a step, computed once for all of its parts; imports nothing but torch.

A joined layer adds up its weights each time that it reads them: in every part of a step, by several kernels a layer, forwards and
again backwards, which the program starts one after another. Here a step begins with all sums and ends with their gradients handed
on: that of a sum, g, is also the one of W, `sum(g * W_aux)` is that of the scale, and `scale * g` that of W_aux. With one part
all numbers stay the same, bit for bit; with several they do up to the order in which gradients are added up.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.joining.joined import BRANCHED, JoinedLayer, PathwayWeight

AT_ONCE = 8
"""Layers whose sums and gradients are computed together: products of the size of their weights are held meanwhile."""


@dataclass(frozen=True)
class _Sum:
    """A layer with the gradient of its sum. `graph` says how that came about; None where its gradient has a closed form."""

    layer: JoinedLayer
    graph: Tensor | None
    gradient: Tensor

    @property
    def scale(self) -> nn.Parameter:
        """The only scale."""
        return cast(nn.Parameter, self.layer.join.scales[0])

    @property
    def auxiliary(self) -> nn.Parameter:
        """The only auxiliary weight."""
        return cast(nn.Parameter, self.layer.join.auxiliaries[0])


def summed_layers(model: nn.Module) -> list[JoinedLayer]:
    """The joined layers that compute with a sum of weights: all but those with branches."""
    branched = tuple(BRANCHED.values())
    return [part for part in model.modules() if isinstance(part, JoinedLayer) and not isinstance(part, branched)]


@contextmanager
def summed_once(layers: Sequence[JoinedLayer], dtype: torch.dtype | None = None) -> Iterator[None]:
    """Within this context, joined layers (of `summed_layers`) compute with sums that are those of its beginning.

    Gradients of the sums are handed on at its end, to where a backward pass would have added them; after an error they are
    dropped. `dtype` is that of the sums, for a single part in half precision: otherwise gradients of parts are added up in the
    type of the weights.
    """
    if not layers:
        yield
        return
    gradients: list[Tensor | None] = []
    try:
        graphs = _hold(layers, dtype)
        yield
    finally:
        for layer in layers:  # memory is free of the sums before their gradients are handed on
            held, layer.join.held = layer.join.held, None
            gradients.append(None if held is None else held.grad)
            del held
    parts = zip(layers, graphs, gradients, strict=True)
    sums = [_Sum(layer, graph, gradient.to(layer.own.dtype)) for layer, graph, gradient in parts if gradient is not None]
    _hand_on(sums[::-1])  # as a backward pass does, the last layer first


def _hold(layers: Sequence[JoinedLayer], dtype: torch.dtype | None) -> list[Tensor | None]:
    """Let layers compute with sums that are leaves of the graph of a step; returns the `graph` of each."""
    simple = [layer for layer in layers if _is_simple(layer.join)]
    closed: dict[JoinedLayer, Tensor] = {}
    for start in range(0, len(simple), AT_ONCE):
        some = simple[start : start + AT_ONCE]
        closed.update(zip(some, _closed(some, dtype), strict=True))
    graphs = [None if layer in closed else layer.join(layer.own) for layer in layers]
    for layer, graph in zip(layers, graphs, strict=True):
        held = closed[layer] if graph is None else graph.detach().to(dtype or graph.dtype)
        layer.join.held = held.requires_grad_(_learns(layer) if graph is None else graph.requires_grad)
    return graphs


def _is_simple(join: PathwayWeight) -> bool:
    """Whether a sum is `W + scale * W_aux` with one number as its scale."""
    return type(join) is PathwayWeight and len(join.scales) == 1 and cast(Tensor, join.scales[0]).ndim == 0


def _learns(layer: JoinedLayer) -> bool:
    return any(parameter.requires_grad for parameter in (layer.own, *layer.join.parameters()))


@torch.no_grad()
def _closed(layers: Sequence[JoinedLayer], dtype: torch.dtype | None) -> list[Tensor]:
    """The same as `PathwayWeight.forward` of each layer."""
    joins = [layer.join for layer in layers]
    added = torch._foreach_mul([join.added(0) for join in joins], [cast(Tensor, join.scales[0]) for join in joins])
    torch._foreach_add_(added, [layer.own for layer in layers])
    return [each.to(dtype or each.dtype) for each in added]


def _hand_on(sums: Sequence[_Sum]) -> None:
    """Add the gradients of sums to those of the parameters that they came from."""
    graphs = [(each.graph, each.gradient) for each in sums if each.graph is not None]
    if graphs:
        torch.autograd.backward([graph for graph, _ in graphs], [gradient for _, gradient in graphs])
    closed = [each for each in sums if each.graph is None]
    for start in range(0, len(closed), AT_ONCE):
        _hand_on_closed(closed[start : start + AT_ONCE])


@torch.no_grad()
def _hand_on_closed(sums: Sequence[_Sum]) -> None:
    gradients = [each.gradient for each in sums]
    _add([each.layer.own for each in sums], gradients)
    scaled = [(each, gradient) for each, gradient in zip(sums, gradients, strict=True) if each.scale.requires_grad]
    if scaled:
        products = torch._foreach_mul([gradient for _, gradient in scaled], [each.layer.join.added(0) for each, _ in scaled])
        _add([each.scale for each, _ in scaled], [product.sum() for product in products])
    moved = [(each, gradient) for each, gradient in zip(sums, gradients, strict=True) if each.auxiliary.requires_grad]
    if moved:
        products = torch._foreach_mul([gradient for _, gradient in moved], [each.scale for each, _ in moved])
        _add([each.auxiliary for each, _ in moved], products)


def _add(parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if parameter.requires_grad:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
