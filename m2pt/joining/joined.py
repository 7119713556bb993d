"""The joined layers of `m2pt.pathway`, classes that copy and pickle like any other; imports nothing but torch."""

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn


class PathwayWeight(nn.Module):
    """The re-parameterized weight of one layer: `W + sum_k scale_k * W_k`. `auxiliary_k` has the shape of `W`."""

    held: Tensor | None = None
    """The sum, where it is computed once for several passes (`m2pt.joining.sums`)."""

    def __init__(self, auxiliaries: Sequence[Tensor], scales: Sequence[nn.Parameter], *, trainable: bool) -> None:
        super().__init__()
        self.scales = nn.ParameterList(scales)
        self.auxiliaries = nn.ParameterList([nn.Parameter(weight, requires_grad=trainable) for weight in auxiliaries])

    def added(self, number: int) -> Tensor:
        """An auxiliary's weight in the shape of W and the type of its scale; fixed ones may be kept in a smaller type."""
        return cast(Tensor, self.auxiliaries[number]).to(self.scales[number].dtype)

    def delta(self) -> Tensor:
        """The sum of the scaled auxiliary weights: the one formula for both the forward pass and the merge."""
        weights = [(scale, self.added(number)) for number, scale in enumerate(self.scales)]
        terms = [expand(scale, weight) * weight for scale, weight in weights]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer computes with."""
        return weight + self.delta()


class JoinedLayer(nn.Module):
    """A layer whose `weight` is read as the sum `W + sum_k scale_k * W_k`; `own` is the parameter W.

    W keeps its name, so the layer's `state_dict` is that of the plain layer plus that of its `join`. A plain layer is joined, and
    made plain again, by a change of its class: it stays the same object with its hooks and parameters. Copies share nothing.
    """

    plain: ClassVar[type[nn.Module]]
    """The class of the plain layer."""
    join: PathwayWeight

    @classmethod
    def make_joined(cls, layer: nn.Module, join: PathwayWeight) -> None:
        """Join a plain layer, in place."""
        layer.join = join
        layer.__class__ = cls

    @torch.no_grad()
    def make_plain(self) -> None:
        """Replace the own weight by the sum, in place; the result is a plain layer."""
        self.own.copy_(self.weight)
        del self.join
        self.__class__ = self.plain  # type: ignore[assignment]

    @property
    def own(self) -> Tensor:
        """The target's own weight."""
        return cast(Tensor, self._parameters["weight"])

    @property
    def weight(self) -> Tensor:
        """The weight that the layer computes with."""
        held = self.join.held
        return cast(Tensor, self.join(self.own)) if held is None else held


class JoinedLinear(JoinedLayer, nn.Linear):  # type: ignore[override]
    """A linear layer that is joined."""

    plain = nn.Linear


class JoinedConv2d(JoinedLayer, nn.Conv2d):  # type: ignore[override]
    """A convolution that is joined, depthwise or not."""

    plain = nn.Conv2d


class TwoBranchLinear(JoinedLinear):
    """The same layer computed as the paper draws it, `x W^T + sum_k scale_k * (x W_k^T) + b`, without a sum of weights.

    It equals the re-parameterized layer up to rounding, at about twice the cost: the rival that shows what merging saves.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        y = nn.functional.linear(x, self.own, self.bias)
        for number, scale in enumerate(self.join.scales):
            auxiliary = self.join.added(number)
            if scale.ndim == 0:
                y = y + scale * nn.functional.linear(x, auxiliary)
            else:
                y = y + nn.functional.linear(x, expand(scale, auxiliary) * auxiliary)
        return y


class TwoBranchConv2d(JoinedConv2d):
    """As `TwoBranchLinear`, for a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        y: Tensor = self._conv_forward(x, self.own, self.bias)
        for number, scale in enumerate(self.join.scales):
            auxiliary = self.join.added(number)
            y = y + self._conv_forward(x, expand(scale, auxiliary) * auxiliary, None)
        return y


JOINED: dict[type[nn.Module], type[JoinedLayer]] = {layer.plain: layer for layer in (JoinedLinear, JoinedConv2d)}
"""The joined class of each kind of layer that can be joined."""

BRANCHED: dict[type[nn.Module], type[JoinedLayer]] = {layer.plain: layer for layer in (TwoBranchLinear, TwoBranchConv2d)}
"""The same with branches."""


def expand(scale: Tensor, weight: Tensor) -> Tensor:
    """Repeat a scale over the rows or columns it is for: () stays, (R, 1) is for equal groups of rows, (1, C) of columns.

    The rows of a convolution's weight are its output channels.
    """
    if scale.ndim == 0:
        return scale
    rows, columns = scale.shape
    if columns == 1:
        repeated = scale.repeat_interleave(weight.shape[0] // rows, dim=0)
        return repeated if weight.ndim == 2 else repeated.reshape(-1, *[1] * (weight.ndim - 1))
    return scale.repeat_interleave(weight.shape[1] // columns, dim=1)
