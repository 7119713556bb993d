"""Auxiliary weights of another width, brought to the target's by learned projections; imports nothing but torch.

`W + scale * A W_aux B^T`: A and B are learned with everything else. They start as the identity, cut or filled with zeros where
the widths differ: unit i of the auxiliary joins unit i of the target, as in a pathway between equal widths. Every block shares
three of them, for the stream of tokens, for what attention reads and writes, and for the neurons of the MLP, as the operators of
width in LiGO are tied (*Learning to Grow Pretrained Models*, arXiv 2303.00980). The merged weight has the target's shape.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.joining.joinable import Joinable, PathwayError, blocks_of
from m2pt.joining.joined import PathwayWeight

SIDES: dict[str, tuple[str, str]] = {
    "attn.qkv": ("attention", "stream"),
    "attn.proj": ("stream", "attention"),
    "mlp.fc1": ("hidden", "stream"),
    "mlp.fc2": ("stream", "hidden"),
}
"""The projections of the rows and of the columns of each layer of a block of timm's form."""


class Projections(nn.Module):
    """The projections of one auxiliary: matrices (units of the target, units of the auxiliary), shared by all blocks."""

    def __init__(self, sizes: dict[str, tuple[int, int]], like: Tensor) -> None:
        super().__init__()
        for name, (ours, theirs) in sizes.items():
            self.register_parameter(name, nn.Parameter(torch.eye(ours, theirs, dtype=like.dtype, device=like.device)))

    @classmethod
    def between(cls, block: nn.Module, other: nn.Module) -> "Projections":
        """Those from blocks like `other` to blocks like `block`."""
        sizes = {}
        for name, layer, axis in (("stream", "attn.qkv", 1), ("attention", "attn.proj", 1), ("hidden", "mlp.fc1", 0)):
            ours, theirs = (cast(Tensor, each.get_submodule(layer).weight).shape[axis] for each in (block, other))
            sizes[name] = (ours, theirs)
        return cls(sizes, cast(Tensor, block.get_submodule("attn.qkv").weight))


class ProjectedWeight(PathwayWeight):
    """As `PathwayWeight`; `auxiliary_k` has the shape that it has in its own encoder."""

    def __init__(
        self,
        auxiliaries: Sequence[Tensor],
        scales: Sequence[nn.Parameter],
        projections: Sequence[Projections],
        layer: str,
        *,
        trainable: bool,
    ) -> None:
        super().__init__(auxiliaries, scales, trainable=trainable)
        self.rows = nn.ParameterList([getattr(each, SIDES[layer][0]) for each in projections])
        self.columns = nn.ParameterList([getattr(each, SIDES[layer][1]) for each in projections])

    def added(self, number: int) -> Tensor:
        """As `PathwayWeight.added`. Queries, keys and values are projected each by itself."""
        rows, weight = cast(Tensor, self.rows[number]), super().added(number)
        groups = weight.unflatten(0, (-1, rows.shape[1]))
        projected: Tensor = (rows @ groups @ cast(Tensor, self.columns[number]).T).flatten(0, 1)
        return projected

    def flops(self) -> int:
        """Operations of the two products for each auxiliary, forwards and twice as many backwards."""
        total = 0
        for rows, columns, weight in zip(self.rows, self.columns, self.auxiliaries, strict=True):
            projected_rows = weight.numel() * rows.shape[0]
            total += 6 * (projected_rows + projected_rows // rows.shape[1] * columns.shape[0])
        return total


def projections_between(
    target: Joinable, sources: Sequence[Joinable], layers: Sequence[str] | None, branches: bool
) -> list[Projections]:
    """New projections from each auxiliary to the target.

    Raises:
        PathwayError: some of the layers have none, or they are to be computed in branches.

    """
    if branches or layers is None or not set(layers) <= SIDES.keys():
        raise PathwayError(f"projected: auxiliaries are projected without branches, in layers among {', '.join(SIDES)}")
    first = next(iter(blocks_of(target).values()))
    return [Projections.between(first, next(iter(blocks_of(source).values()))) for source in sources]


def projections(model: nn.Module) -> list[nn.Parameter]:
    """The projections of a joined model, each once."""
    joins = [part for part in model.modules() if isinstance(part, ProjectedWeight)]
    return list(dict.fromkeys(cast(nn.Parameter, each) for join in joins for each in (*join.rows, *join.columns)))


def projection_flops(model: nn.Module) -> int:
    """Operations of all projections of a joined model in one step, forwards and backwards."""
    return sum(part.flops() for part in model.modules() if isinstance(part, ProjectedWeight))
