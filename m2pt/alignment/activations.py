"""How alike the units of two encoders behave on the same samples: the statistics that activation matching needs.

Block by block, so that the activations of one block alone are held at a time. Shapes: T tokens of a batch, D width, K units.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from m2pt.modalities.shared.features import Tokens


@dataclass
class Moments:
    """Sums over tokens for two sets of units; with `full`, also the products within each set (otherwise their diagonals)."""

    full: bool = False
    count: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, ours_TK: Tensor, theirs_TK: Tensor) -> None:
        """Add the activations of a batch."""
        one, two = ours_TK.double(), theirs_TK.double()
        self.count += len(one)
        products = {"ours": one.sum(0), "theirs": two.sum(0), "cross": one.T @ two}
        products["ours²"] = one.T @ one if self.full else one.square().sum(0)
        products["theirs²"] = two.T @ two if self.full else two.square().sum(0)
        for name, value in products.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def covariance(self) -> Tensor:
        """The covariances (K, K) of our units (rows) with theirs."""
        sums = self.sums
        return sums["cross"] / self.count - torch.outer(sums["ours"], sums["theirs"]) / self.count**2

    def covariance_within(self, which: str) -> Tensor:
        """The covariances (K, K) of `ours` or `theirs` among themselves; their variances (K,) without `full`."""
        mean, squares = self.sums[which] / self.count, self.sums[f"{which}²"] / self.count
        return squares - (torch.outer(mean, mean) if self.full else mean.square())

    def correlation(self) -> Tensor:
        """Pearson's correlations (K, K); 0 for a unit that does not vary."""
        spreads = [self.variances(which).sqrt() for which in ("ours", "theirs")]
        inverse = [torch.where(spread > 0, 1 / spread, 0.0) for spread in spreads]
        return inverse[0][:, None] * self.covariance() * inverse[1]

    def variances(self, which: str) -> Tensor:
        """The variances (K,) of `ours` or `theirs`."""
        within = self.covariance_within(which)
        return (within.diagonal() if self.full else within).clamp(min=0)


@dataclass
class BlockMoments:
    """The moments of a pair of blocks.

    `queries`, `keys`, `values` (what attention writes for each head) and `neurons` (after their non-linearity) are the units
    inside. `attention_read` and `mlp_read` are the stream as the two norms see it, without gain and offset, `attention_written`
    and `mlp_written` the stream after each branch.
    """

    queries: Moments = field(default_factory=Moments)
    keys: Moments = field(default_factory=Moments)
    values: Moments = field(default_factory=Moments)
    neurons: Moments = field(default_factory=Moments)
    attention_read: Moments = field(default_factory=lambda: Moments(full=True))
    mlp_read: Moments = field(default_factory=lambda: Moments(full=True))
    attention_written: Moments = field(default_factory=lambda: Moments(full=True))
    mlp_written: Moments = field(default_factory=lambda: Moments(full=True))


@torch.no_grad()
def compare(
    targets: Sequence[nn.Module], blocks: Sequence[nn.Module], ours: Sequence[Tokens], theirs: Sequence[Tokens]
) -> Iterator[BlockMoments]:
    """The moments of each pair of blocks, in order; `ours` are batches of tokens for `targets`, `theirs` those for `blocks`."""
    states = [(one.values, two.values) for one, two in zip(ours, theirs, strict=True)]
    for target, block in zip(targets, blocks, strict=True):
        moments = BlockMoments()
        for number, (one, two) in enumerate(states):
            before = _input(one, ours[number]), _input(two, theirs[number])
            mine, yours = _run(target, before[0]), _run(block, before[1])
            for name in BlockMoments.__dataclass_fields__:
                getattr(moments, name).add(mine[name], yours[name])
            states[number] = mine["state"], yours["state"]
        yield moments


def _input(state: Tensor, tokens: Tokens) -> Tensor:
    return state if tokens.every_block is None else state + tokens.every_block


def _run(block: Any, before_BND: Tensor) -> dict[str, Tensor]:
    """One forward pass: the activations (T, K) of each kind, and the stream after the block (`state`)."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, *, output: bool = False) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], *outputs: Tensor) -> None:
            seen[name] = (outputs[0] if output else inputs[0]).flatten(0, 1)

        return hook

    handles = [
        block.attn.qkv.register_forward_hook(keep("qkv", output=True)),
        block.attn.proj.register_forward_pre_hook(keep("values")),
        block.norm2.register_forward_pre_hook(keep("attention_written")),
        block.mlp.fc2.register_forward_pre_hook(keep("neurons")),
    ]
    try:
        with _evaluating(block):
            state = block(before_BND)
    finally:
        for handle in handles:
            handle.remove()
    seen["queries"], seen["keys"], _ = seen.pop("qkv").chunk(3, dim=1)
    seen["attention_read"] = _normalised(before_BND.flatten(0, 1), block.norm1)
    seen["mlp_read"] = _normalised(seen["attention_written"], block.norm2)
    return seen | {"mlp_written": state.flatten(0, 1), "state": state}


@contextmanager
def _evaluating(block: nn.Module) -> Iterator[None]:
    """Without what is random in training."""
    mode = block.training
    block.eval()
    try:
        yield
    finally:
        block.train(mode)


def _normalised(x_TD: Tensor, norm: Any) -> Tensor:
    return layer_norm(x_TD, norm.normalized_shape, eps=norm.eps)
