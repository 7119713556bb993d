"""The joined linear layers of `m2pt.pathway`, classes that copy and pickle like any other; imports torch alone."""

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
        """The sum of the scaled auxiliary weights, the one formula that forward and merge share."""
        terms = [expand(scale, auxiliary) * auxiliary for scale, auxiliary in zip(self.scales, self.auxiliaries, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]

    def forward(self, weight: Tensor) -> Tensor:
        """The weight that the layer computes with."""
        return weight + self.delta()


class JoinedLinear(nn.Linear):
    """A linear layer whose `weight` is read as the sum `W + sum_k scale_k * W_k`; `own` is the parameter W.

    W keeps its name, so the layer's `state_dict` is that of the plain layer and of its `join`. A plain layer becomes one, and a
    plain one again, by changing its class: its identity, its hooks and its parameters stay. A copy shares nothing with it.
    """

    join: PathwayWeight

    @classmethod
    def make_joined(cls, linear: nn.Linear, join: PathwayWeight) -> None:
        """Join a plain layer, in place."""
        linear.join = join
        linear.__class__ = cls

    @torch.no_grad()
    def make_plain(self) -> None:
        """Take the sum for the own weight, in place; what remains is a plain layer."""
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
    """The same layer computed as it is drawn in the paper, `x W^T + sum_k scale_k * (x W_k^T) + b`: no sum of weights is formed.

    Equal to the re-parameterized layer up to rounding, at about twice its cost: the rival that shows what merging saves.
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
    """Repeat a scale over the rows or columns it rules: () stays, (R, 1) rules equal groups of rows, (1, C) of columns."""
    if scale.ndim == 0:
        return scale
    rows, columns = scale.shape
    if columns == 1:
        return scale.repeat_interleave(weight.shape[0] // rows, dim=0)
    return scale.repeat_interleave(weight.shape[1] // columns, dim=1)
