"""Weight matching: the permutations that bring an encoder's weights nearest to another's, without any data.

Source: *Git Re-Basin* (arXiv 2209.04836, section 3.2 and algorithm 1): among all permutations that leave the function as it is,
find those with the largest inner product of all parameters by solving one linear assignment problem after another, until none
gets better. In a transformer there are four kinds of units: the residual stream, which all blocks share, the heads, the
dimensions of each head (queries and keys share theirs), and the neurons of each MLP. What differs here: the order of the problems
is fixed (the insides of all blocks, then the stream), and the descent starts twice: with the stream as it is, since the tokens of
all modalities carry the same position code in the same dimensions, and with the stream ordered by what no permutation inside a
block changes. The better end is taken.

Shapes: H heads, E dimensions of a head, D width of the residual stream, M neurons, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from m2pt.alignment.change import Change, Inside
from m2pt.alignment.matching import assignment, match_heads, permutation

MAX_ROUNDS = 100
"""The descent ends by itself, usually within ten rounds."""


@dataclass(frozen=True)
class _Weights:
    """The parameters of a block in double precision: rows of queries, keys and values, columns of what writes the stream.

    A bias of units is a further column of their rows; the norms and the biases of the stream are the columns of `stream_DF`.
    """

    keys_HED: Tensor
    queries_HED: Tensor
    values_HED: Tensor
    biases_KHE: Tensor
    projection_DHE: Tensor
    first_MD: Tensor
    first_bias_M: Tensor
    second_DM: Tensor
    stream_DF: Tensor


@torch.no_grad()
def match_weights(targets: Sequence[nn.Module], blocks: Sequence[nn.Module]) -> Change:
    """The permutations of `blocks` that bring their parameters nearest to those of `targets`. Both stay as they are."""
    ours, theirs = [_weights(block) for block in targets], [_weights(block) for block in blocks]
    starts = (torch.arange(len(ours[0].stream_DF)), _by_invariants(ours, theirs))
    ends = [_descend(ours, theirs, start) for start in starts]
    return max(ends, key=lambda end: end[1])[0]  # the first of two that are equal


def _weights(block: Any) -> _Weights:
    heads = block.attn.num_heads
    qkv = block.attn.qkv.weight.double()
    bias = torch.zeros(len(qkv), dtype=torch.float64) if block.attn.qkv.bias is None else block.attn.qkv.bias.double()
    queries, keys, values = qkv.unflatten(0, (3, heads, -1)).unbind(0)
    stream = (
        block.norm1.weight,
        block.norm1.bias,
        block.norm2.weight,
        block.norm2.bias,
        block.attn.proj.bias,
        block.mlp.fc2.bias,
    )
    return _Weights(
        keys_HED=keys,
        queries_HED=queries,
        values_HED=values,
        biases_KHE=bias.unflatten(0, (3, heads, -1)),
        projection_DHE=block.attn.proj.weight.double().unflatten(1, (heads, -1)),
        first_MD=block.mlp.fc1.weight.double(),
        first_bias_M=block.mlp.fc1.bias.double(),
        second_DM=block.mlp.fc2.weight.double(),
        stream_DF=torch.stack([vector.double() for vector in stream], dim=1),
    )


def _by_invariants(ours: Sequence[_Weights], theirs: Sequence[_Weights]) -> Tensor:
    """The order of the stream by the norms of what reads and writes each dimension, which no order inside a block changes."""

    def features(all_weights: Sequence[_Weights]) -> Tensor:
        columns = []
        for one in all_weights:
            read = [one.queries_HED, one.keys_HED, one.values_HED, one.first_MD]
            columns += [part.flatten(0, -2).norm(dim=0) for part in read]
            columns += [one.projection_DHE.flatten(1).norm(dim=1), one.second_DM.norm(dim=1), *one.stream_DF.unbind(1)]
        return torch.stack(columns, dim=1)

    ours_DF, theirs_DF = features(ours), features(theirs)
    scale_F = torch.cat([ours_DF, theirs_DF]).std(dim=0)
    used = scale_F > 0
    return assignment(-torch.cdist(ours_DF[:, used] / scale_F[used], theirs_DF[:, used] / scale_F[used]).square())


def _descend(ours: Sequence[_Weights], theirs: Sequence[_Weights], order_D: Tensor) -> tuple[Change, float]:
    """The permutations at the end of a descent that starts with an order of the stream, and the inner product there."""
    best: tuple[Change, float] | None = None
    for _ in range(MAX_ROUNDS):
        insides = [_match_inside(own, other, order_D) for own, other in zip(ours, theirs, strict=True)]
        similarity_DD, inside = _stream_similarity(ours, theirs, insides)
        order_D = assignment(similarity_DD)
        reached = inside + float(similarity_DD[torch.arange(len(order_D)), order_D].sum())
        if best is not None and reached <= best[1] + 1e-12 * abs(best[1]):
            break
        best = Change(insides, order_D), reached
    if best is None:
        raise ValueError("a descent needs at least one round")
    return best


def _match_inside(own: _Weights, other: _Weights, order_D: Tensor) -> Inside:
    """The best order inside a block for an order of the stream: of neurons, of heads, and of the dimensions of each head."""

    def alike(ours_HED: Tensor, theirs_HED: Tensor) -> Tensor:
        return torch.einsum("iad,jbd->ijab", ours_HED, theirs_HED[..., order_D])

    biases_KHHEE = torch.einsum("kia,kjb->kijab", own.biases_KHE, other.biases_KHE)
    keys = alike(own.queries_HED, other.queries_HED) + alike(own.keys_HED, other.keys_HED) + biases_KHHEE[0] + biases_KHHEE[1]
    written = torch.einsum("dia,djb->ijab", own.projection_DHE, other.projection_DHE[order_D])
    values = alike(own.values_HED, other.values_HED) + biases_KHHEE[2] + written
    heads, key_maps, value_maps = match_heads(keys, values, permutation)
    neurons = own.first_MD @ other.first_MD[:, order_D].T + own.second_DM.T @ other.second_DM[order_D]
    neurons += torch.outer(own.first_bias_M, other.first_bias_M)
    return Inside(heads, key_maps, value_maps, assignment(neurons))


def _stream_similarity(ours: Sequence[_Weights], theirs: Sequence[_Weights], insides: Sequence[Inside]) -> tuple[Tensor, float]:
    """The similarities (D, D) of the dimensions of both streams, and the part of the inner product that no order changes."""
    width = len(ours[0].stream_DF)
    total_DD, rest = torch.zeros(width, width, dtype=torch.float64), 0.0
    for own, other, inside in zip(ours, theirs, insides, strict=True):
        for mine, yours, maps in (
            (own.queries_HED, other.queries_HED, inside.keys_HEE),
            (own.keys_HED, other.keys_HED, inside.keys_HEE),
            (own.values_HED, other.values_HED, inside.values_HEE),
            (own.projection_DHE.permute(1, 2, 0), other.projection_DHE.permute(1, 2, 0), inside.values_HEE),
        ):
            total_DD += mine.flatten(0, 1).T @ (maps @ yours[inside.heads_H]).flatten(0, 1)
        total_DD += own.first_MD.T @ other.first_MD[inside.neurons_M] + own.second_DM @ other.second_DM[:, inside.neurons_M].T
        total_DD += own.stream_DF @ other.stream_DF.T
        maps_KHEE = torch.stack([inside.keys_HEE, inside.keys_HEE, inside.values_HEE])
        moved_KHE = (maps_KHEE @ other.biases_KHE[:, inside.heads_H].unsqueeze(-1)).squeeze(-1)
        rest += float((own.biases_KHE * moved_KHE).sum() + own.first_bias_M @ other.first_bias_M[inside.neurons_M])
    return total_DD, rest
