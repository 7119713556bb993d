"""An encoder in the coordinates of another, by one of four ways to find them.

`weights` is described in `m2pt.alignment.weights`. The others compare the two encoders' activations on the same samples, all of
them centred, since offsets are the business of biases, which a pathway does not take:

- `activations`: permutations with the largest sum of Pearson correlations (activation matching: *Git Re-Basin*, arXiv 2209.04836,
  section 3.1, which takes products that are not standardised; correlations as in *Convergent Learning*, arXiv 1511.07543). The
  stream is compared after each block, heads by their queries, keys and outputs, neurons after their non-linearity.
- `procrustes`: the rotation of the stream with the largest covariance of what the norms see, the vector of ones kept; inside a
  head orthogonal maps (`m2pt.alignment.matching.rotation`); neurons in the order of `activations`.
- `linear`: inside as `procrustes`. Around it, for every layer that reads the stream, the least-squares map from the target's
  normalised stream to the encoder's, and for every layer that writes it the one from the encoder's stream to the target's, both
  at that very place: `W_aux' = W_aux A` and `W_aux' = B W_aux`.

The first three leave the function of the encoder as it is (see `m2pt.alignment.change` for the norms); `linear` does not.

Shapes: H heads, E dimensions of a head, D width.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from m2pt.alignment.activations import BlockMoments, Moments, compare
from m2pt.alignment.change import Change, Inside, Maps, apply
from m2pt.alignment.matching import Fit, assignment, match_heads, permutation, rotation
from m2pt.alignment.weights import match_weights
from m2pt.config import AlignmentName, refuses_unknown
from m2pt.modalities.shared.features import Tokens
from m2pt.models.encoder import Encoder
from m2pt.pathway import HasBlocks

RIDGE = 1e-6
"""What is added to the variances in a least-squares map, relative to their mean."""


@dataclass(frozen=True)
class Probe:
    """Batches of tokens of the same samples: as the target's blocks read them, and as the auxiliary's do."""

    target: Sequence[Tokens]
    auxiliary: Sequence[Tokens]


@refuses_unknown
def aligned(auxiliary: Encoder, target: HasBlocks, kind: AlignmentName, probe: Callable[[], Probe]) -> Encoder:
    """A copy of the auxiliary whose blocks are in the coordinates of the target's.

    Args:
        auxiliary: the encoder to bring over, of the target's sizes.
        target: the transformer whose coordinates are taken; it stays as it is.
        kind: how they are found (see above).
        probe: gives the tokens to compare the two on; it is not called for `weights`.

    Raises:
        UserError: a gain of the target's norms is too small for `procrustes` or `linear`.

    """
    result = copy.deepcopy(auxiliary)
    targets, blocks = list(target.blocks), list(result.blocks)
    if kind == "weights":
        change = match_weights(targets, blocks)
    else:
        tokens, heads = probe(), cast(Any, blocks[0]).attn.num_heads
        change = _FINDERS[kind]([*compare(targets, blocks, tokens.target, tokens.auxiliary)], heads)
    apply(change, blocks, targets)
    return result


def _permutations(moments: Sequence[BlockMoments], heads: int) -> Change:
    stream_DD = torch.stack([block.mlp_written.correlation() for block in moments]).sum(0)
    return Change([_inside(block, heads, _by_dimension, permutation) for block in moments], assignment(stream_DD))


def _rotations(moments: Sequence[BlockMoments], heads: int) -> Change:
    read_DD = torch.stack([part.covariance() for block in moments for part in (block.attention_read, block.mlp_read)]).sum(0)
    maps = Maps.rotation(_keeping_ones(read_DD))
    return Change([_inside(block, heads, _by_head, rotation) for block in moments], [maps] * len(moments))


def _maps(moments: Sequence[BlockMoments], heads: int) -> Change:
    insides = [_inside(block, heads, _by_head, rotation) for block in moments]
    maps = [
        Maps(
            attention_read_DD=_to_theirs(block.attention_read),
            mlp_read_DD=_to_theirs(block.mlp_read),
            attention_write_DD=_to_ours(block.attention_written),
            mlp_write_DD=_to_ours(block.mlp_written),
        )
        for block in moments
    ]
    return Change(insides, maps)


def _inside(block: BlockMoments, heads: int, similarity: Callable[[Moments, int], Tensor], fit: Fit) -> Inside:
    """The order of neurons and heads, and the maps of `fit` inside each head."""
    keys = similarity(block.queries, heads) + similarity(block.keys, heads)
    order, key_maps, value_maps = match_heads(keys, similarity(block.values, heads), fit)
    return Inside(order, key_maps, value_maps, assignment(block.neurons.correlation()))


def _by_dimension(moments: Moments, heads: int) -> Tensor:
    """The correlations (H, H, E, E) of the dimensions of heads."""
    return _per_head(moments.correlation(), heads)


def _by_head(moments: Moments, heads: int) -> Tensor:
    """The covariances (H, H, E, E) of the dimensions of heads, in units of the two heads' total variances."""
    ours_H, theirs_H = (moments.variances(which).unflatten(0, (heads, -1)).sum(1).sqrt() for which in ("ours", "theirs"))
    smallest = torch.finfo(torch.float64).tiny
    sizes_HH = torch.outer(ours_H, theirs_H).clamp(min=smallest)
    alike: Tensor = _per_head(moments.covariance(), heads) / sizes_HH[..., None, None]
    return alike


def _per_head(similarity_KK: Tensor, heads: int) -> Tensor:
    columns: Tensor = similarity_KK.unflatten(1, (heads, -1))
    blocks_HHEE: Tensor = columns.unflatten(0, (heads, -1)).transpose(1, 2)
    return blocks_HHEE


def _keeping_ones(similarity_DD: Tensor) -> Tensor:
    """The best rotation among those that keep the vector of ones, along which normalised tokens never vary."""
    width = len(similarity_DD)
    across = torch.eye(width, dtype=torch.float64) - 1 / width
    inner = across @ similarity_DD @ across
    return rotation(inner + torch.linalg.matrix_norm(inner, ord=2) / width)[0]


def _to_theirs(moments: Moments) -> Tensor:
    """The least-squares map from our normalised stream to theirs; along the vector of ones, where neither varies, it is 1."""
    width = len(moments.sums["ours"])
    return _least_squares(moments.covariance_within("ours"), moments.covariance()) + 1 / width


def _to_ours(moments: Moments) -> Tensor:
    """The least-squares map from their stream to ours."""
    return _least_squares(moments.covariance_within("theirs"), moments.covariance().T)


def _least_squares(within_DD: Tensor, across_DD: Tensor) -> Tensor:
    """The map of x to y from the covariances of x with itself and with y (rows x)."""
    ridge = RIDGE * within_DD.diagonal().mean()
    solved: Tensor = torch.linalg.solve(within_DD + ridge * torch.eye(len(within_DD), dtype=torch.float64), across_DD)
    return solved.T


_FINDERS: dict[AlignmentName, Callable[[Sequence[BlockMoments], int], Change]] = {
    "activations": _permutations,
    "procrustes": _rotations,
    "linear": _maps,
}
