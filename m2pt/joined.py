"""The joined linear layers of `m2pt.pathway`, classes that copy and pickle like any other; imports nothing but torch."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn


class PathwayWeight(nn.Module):
    """The re-parameterized weight of one layer: `W + sum_k scale_k * W_k`. `auxiliary_k` has the shape of `W`."""

    def __init__(self, auxiliaries: Sequence[Tensor], scales: Sequence[nn.Parameter], *, trainable: bool) -> None:
        super().__init__()
        self.scales = nn.ParameterList(scales)
        self.auxiliaries = nn.ParameterList([nn.Parameter(weight, requires_grad=trainable) for weight in auxiliaries])

    def delta(self) -> Tensor:
        """The sum of the scaled auxiliary weights: the one formula for both the forward pass and the merge."""
        terms = [expand(scale, auxiliary) * auxiliary for scale, auxiliary in zip(self.scales, self.auxiliaries, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer computes with."""
        return weight + self.delta()


class JoinedLinear(nn.Linear):
    """A linear layer whose `weight` is read as the sum `W + sum_k scale_k * W_k`; `own` is the parameter W.

    W keeps its name, so the layer's `state_dict` is that of the plain layer plus that of its `join`. A plain layer is joined, and
    made plain again, by a change of its class: it stays the same object with its hooks and parameters. Copies share nothing.
    """

    join: PathwayWeight

    @classmethod
    def make_joined(cls, linear: nn.Linear, join: PathwayWeight) -> None:
        """Join a plain layer, in place."""
        linear.join = join
        linear.__class__ = cls

    @torch.no_grad()
    def make_plain(self) -> None:
        """Replace the own weight by the sum, in place; the result is a plain layer."""
        self.own.copy_(self.weight)
        del self.join
        self.__class__ = nn.Linear  # type: ignore[assignment]

    @property
    def own(self) -> Tensor:
        """The target's own weight."""
        return cast(Tensor, self._parameters["weight"])

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The weight that the layer computes with."""
        return cast(Tensor, self.join(self.own))


class TwoBranchLinear(JoinedLinear):
    """The same layer computed as the paper draws it, `x W^T + sum_k scale_k * (x W_k^T) + b`, without a sum of weights.

    It equals the re-parameterized layer up to rounding, at about twice the cost: the rival that shows what merging saves.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        y = nn.functional.linear(x, self.own, self.bias)
        for scale, auxiliary in zip(self.join.scales, self.join.auxiliaries, strict=True):
            if scale.ndim == 0:
                y = y + scale * nn.functional.linear(x, auxiliary)
            else:
                y = y + nn.functional.linear(x, expand(scale, auxiliary) * auxiliary)
        return y


def expand(scale: Tensor, weight: Tensor) -> Tensor:
    """Repeat a scale over the rows or columns it is for: () stays, (R, 1) is for equal groups of rows, (1, C) of columns."""
    if scale.ndim == 0:
        return scale
    rows, columns = scale.shape
    if columns == 1:
        return scale.repeat_interleave(weight.shape[0] // rows, dim=0)
    return scale.repeat_interleave(weight.shape[1] // columns, dim=1)
