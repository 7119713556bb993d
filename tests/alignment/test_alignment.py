"""Alignment: what is the same encoder in other coordinates is found again, and the moved encoder computes what it did."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from m2pt.alignment import Probe, aligned
from m2pt.alignment.activations import Moments
from m2pt.alignment.change import Change, Maps, apply
from m2pt.alignment.encoders import _keeping_ones
from m2pt.alignment.matching import assignment, match_heads, rotation
from m2pt.alignment.matching import permutation as best_permutation
from m2pt.alignment.weights import match_weights
from m2pt.config import ModelConfig, UserError
from m2pt.models.encoder import Encoder
from tests.alignment import copies

WIDTH = copies.MODEL.width
KINDS = ("weights", "activations", "procrustes", "linear")


def never():
    raise AssertionError("weight matching needs no samples")


def probe(ours, theirs):
    return lambda: Probe([copies.as_tokens(x) for x in ours.split(16)], [copies.as_tokens(x) for x in theirs.split(16)])


@torch.no_grad()
def distance(one, two):
    """The distance of all joined weights, relative to the size of the first's."""
    pairs = [(p, q) for p, q in zip(one.blocks.parameters(), two.blocks.parameters(), strict=True) if p.ndim > 1]
    return float(sum((p - q).square().sum() for p, q in pairs) / sum(p.square().sum() for p, _ in pairs)) ** 0.5


def blocks_of(encoder, x):
    with torch.no_grad():
        return encoder.blocks(x)


@pytest.mark.parametrize("kind", ["weights", "activations"])
def test_a_permuted_copy_is_found_again_to_the_last_bit(kind):
    original, stream = copies.encoder(0), copies.permutation(WIDTH, 5)
    other = copies.in_other_coordinates(original, stream, copies.permutation, seed=7)
    x = copies.tokens(1)
    torch.testing.assert_close(blocks_of(other, x @ stream.T), blocks_of(original, x) @ stream.T, rtol=0, atol=1e-10)
    assert distance(original, other) > 0.5
    found = aligned(other, original, kind, never if kind == "weights" else probe(x, x @ stream.T))
    ours, theirs = original.state_dict(), found.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize("kind", ["procrustes", "linear"])
def test_a_rotated_copy_is_found_again(kind):
    original, stream = copies.encoder(0), copies.rotation_with_ones(WIDTH, 5)
    other = copies.in_other_coordinates(original, stream, copies.orthogonal, seed=7, fold=True)
    x = copies.tokens(1, batch=200)
    torch.testing.assert_close(blocks_of(other, x @ stream.T), blocks_of(original, x) @ stream.T, rtol=0, atol=1e-10)
    assert distance(original, other) > 0.5
    found = aligned(other, original, kind, probe(x, x @ stream.T))
    # Only the ridge of the least-squares map stands between.
    assert distance(original, found) < (1e-9 if kind == "procrustes" else 1e-4)
    if kind == "procrustes":
        for name, value in original.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], value, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["weights", "activations", "procrustes"])
def test_an_encoder_keeps_its_function(kind):
    """The stream before and after differs by one orthogonal map, which is read off the first layer's weights."""
    target, auxiliary = copies.encoder(0), copies.encoder(1)
    x, y = copies.tokens(1), copies.tokens(2)
    found = aligned(auxiliary, target, kind, never if kind == "weights" else probe(x, y))
    # What the last layer of a block writes determines the map: W_found = S W_auxiliary with its neurons in another order.
    before, after = (_sorted(encoder.blocks[0].mlp.fc2.weight) for encoder in (auxiliary, found))
    stream = torch.linalg.lstsq(before.T, after.T).solution.T
    torch.testing.assert_close(stream @ stream.T, torch.eye(WIDTH, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(stream.sum(1), torch.ones(WIDTH, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(blocks_of(found, y @ stream.T), blocks_of(auxiliary, y) @ stream.T, rtol=0, atol=1e-10)
    assert not torch.equal(stream, torch.eye(WIDTH, dtype=torch.float64))


def _sorted(weight):
    """The columns by their norms, which no rotation of the stream changes: the order of neurons is gone."""
    return weight[:, weight.norm(dim=0).argsort()].detach()


@pytest.mark.parametrize("kind", ["weights", "activations"])
def test_permutations_bring_encoders_nearer(kind):
    """By construction for weight matching. Activations that are alike because one is a noisy copy of the other lead there too."""
    target = copies.encoder(0)
    stream = copies.permutation(WIDTH, 5)
    other = copies.in_other_coordinates(target, stream, copies.permutation, seed=7)
    with torch.no_grad():
        for number, parameter in enumerate(other.parameters()):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)).double())
    x = copies.tokens(1)
    found = aligned(other, target, kind, never if kind == "weights" else probe(x, x @ stream.T))
    assert distance(target, found) < 0.5 * distance(target, other)
    unrelated = copies.encoder(1)
    if kind == "weights":
        assert distance(target, aligned(unrelated, target, kind, never)) < distance(target, unrelated)


@pytest.mark.parametrize("seed", range(1, 6))
def test_weight_matching_ends_where_no_permutation_of_one_kind_of_units_brings_more(seed):
    """With few units, all permutations of each kind can be tried; a descent promises no more than that."""
    config = ModelConfig(width=4, depth=1, heads=2, mlp_ratio=0.75)
    target, other = copies.encoder(0, config), copies.encoder(seed, config)
    found = match_weights(list(target.blocks), list(other.blocks))
    inside = found.insides[0]

    @torch.no_grad()
    def product(**changes):
        result, stream = copy.deepcopy(other), changes.pop("stream", found.stream)
        apply(Change([replace(inside, **changes)], stream), list(result.blocks), [])
        return float(sum((p * q).sum() for p, q in zip(target.blocks.parameters(), result.blocks.parameters(), strict=True)))

    reached, pairs, eye = product(), list(itertools.permutations(range(2))), torch.eye(2, dtype=torch.float64)
    streams = [product(stream=torch.tensor(order)) for order in itertools.permutations(range(4))]
    neurons = [product(neurons_M=torch.tensor(order)) for order in itertools.permutations(range(3))]
    heads = [
        product(heads_H=torch.tensor(order), keys_HEE=torch.stack(keys), values_HEE=torch.stack(values))
        for order in pairs
        for keys in itertools.product([eye[list(pair)] for pair in pairs], repeat=2)
        for values in itertools.product([eye[list(pair)] for pair in pairs], repeat=2)
    ]
    for tried in (streams, neurons, heads):
        assert max(tried) == pytest.approx(reached, abs=1e-9)
        assert min(tried) < reached - 0.1
    assert reached > product(
        stream=torch.arange(4), heads_H=torch.arange(2), keys_HEE=eye.expand(2, 2, 2), values_HEE=eye.expand(2, 2, 2),
        neurons_M=torch.arange(3),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_aligned_to_itself_stays_and_alignment_is_deterministic(kind):
    target, other = copies.encoder(0), copies.encoder(1)
    x = copies.tokens(1)
    itself = aligned(target, target, kind, probe(x, x))
    assert distance(target, itself) < 1e-4
    before = copy.deepcopy(other.state_dict())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one, two = (aligned(other, target, kind, probe(x, x)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(other.state_dict()[name], before[name]) for name in before)
    assert any(not torch.equal(one[name], before[name]) for name in one)


@torch.no_grad()
def test_the_linear_maps_are_those_of_ordinary_least_squares():
    """Against numpy's, with an intercept, on the activations of a block taken by hand."""
    target, other = copies.encoder(0), copies.encoder(1)
    x, y = copies.tokens(1, batch=100), copies.tokens(2, batch=100)
    found = aligned(other, target, "linear", probe(x, y))
    read = []
    for tokens in (x, y):
        centred = tokens.flatten(0, 1) - tokens.flatten(0, 1).mean(1, keepdim=True)
        normalised = centred / (centred.square().mean(1, keepdim=True) + target.blocks[0].norm1.eps).sqrt()
        read.append(normalised - normalised.mean(0))
    slope = torch.linalg.lstsq(read[0], read[1], driver="gelsd").solution.T
    block, own = other.blocks[0], target.blocks[0]
    expected = (block.attn.qkv.weight * block.norm1.weight) @ (slope + 1 / WIDTH) / own.norm1.weight
    ours = found.blocks[0].attn.qkv.weight
    # Heads are in another order and each rotated; what is left of each is its Gram matrix.
    grams = [part.unflatten(0, (3, copies.MODEL.heads, -1))[2] for part in (ours, expected)]
    alike = [torch.stack([head.T @ head for head in heads]).flatten(1) for heads in grams]
    nearest = torch.cdist(*alike).min(1).values / alike[1].norm(dim=1).mean()
    assert float(nearest.max()) < 1e-3


def test_a_rotation_is_that_of_scipy():
    a, b = copies.tokens(1).flatten(0, 1), copies.tokens(2).flatten(0, 1)
    a, b = a[:50, :6], b[:50, :6]
    expected, reached = orthogonal_procrustes(b.numpy(), a.numpy())
    found, trace = rotation(a.T @ b)
    torch.testing.assert_close(found, torch.from_numpy(expected).T, rtol=0, atol=1e-9)
    assert trace == pytest.approx(reached)
    nothing_known = torch.diag(torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(rotation(nothing_known)[0], torch.eye(3, dtype=torch.float64))


def test_an_assignment_is_the_best_of_all_permutations():
    similarity = copies.tokens(4)[0][:5, :5]
    order = assignment(similarity)
    best = max(itertools.permutations(range(5)), key=lambda other: float(similarity[range(5), list(other)].sum()))
    assert order.tolist() == list(best)
    matrix, reached = best_permutation(similarity)
    assert reached == pytest.approx(float(similarity[range(5), list(best)].sum()))
    assert torch.equal(matrix @ torch.arange(5.0).double(), order.double())


def test_heads_are_matched_by_what_their_dimensions_reach_together():
    keys = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    keys[0, 1] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    keys[1, 0] = torch.eye(2)
    order, maps, _ = match_heads(keys, torch.zeros_like(keys), best_permutation)
    assert order.tolist() == [1, 0]
    assert torch.equal(maps[0], torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double())
    assert torch.equal(maps[1], torch.eye(2).double())


def test_moments_are_those_of_numpy():
    a, b = copies.tokens(1).flatten(0, 1)[:, :4], copies.tokens(2).flatten(0, 1)[:, :4]
    b[:, 3] = 2.0
    for full in (False, True):
        moments = Moments(full)
        for one, two in zip(a.split(50), b.split(50), strict=True):
            moments.add(one, two)
        both = torch.corrcoef(torch.cat([a, b[:, :3]], dim=1).T)
        torch.testing.assert_close(moments.correlation()[:, :3], both[:4, 4:])
        assert not moments.correlation()[:, 3].any(), "a unit that does not vary is like none"
        covariance = torch.cov(torch.cat([a, b], dim=1).T, correction=0)
        torch.testing.assert_close(moments.covariance(), covariance[:4, 4:])
        torch.testing.assert_close(moments.variances("ours"), covariance.diagonal()[:4])
    torch.testing.assert_close(moments.covariance_within("theirs"), covariance[4:, 4:])


def test_a_gain_of_zero_cannot_be_divided_by():
    target, other = copies.encoder(0), copies.encoder(1)
    with torch.no_grad():
        target.blocks[1].norm2.weight[3] = 0.0
    x = copies.tokens(1)
    with pytest.raises(UserError, match=r"blocks\.1\.norm2 are close to 0.*choose weights or activations\.$"):
        aligned(other, target, "procrustes", probe(x, x))
    aligned(other, target, "activations", probe(x, x))


def test_encoders_without_biases_of_queries_can_be_aligned():
    config = ModelConfig(width=12, depth=2, heads=2, qkv_bias=False)
    target, other = copies.encoder(0, config), copies.encoder(1, config)
    x = copies.tokens(1, width=12)
    for kind in KINDS:
        assert isinstance(aligned(other, target, kind, probe(x, x)), Encoder)


def test_a_rotation_keeps_the_vector_of_ones_whatever_rounding_leaves_along_it():
    ones = torch.ones(6, dtype=torch.float64)
    similarity = copies.tokens(4)[0][:6, :6]
    similarity = similarity - similarity.mean(0) - similarity.mean(1, keepdim=True) + similarity.mean()
    kept = _keeping_ones(similarity - 1e-7 * torch.outer(ones, ones))
    torch.testing.assert_close(kept @ ones, ones)
    torch.testing.assert_close(kept @ kept.T, torch.eye(6, dtype=torch.float64))


@torch.no_grad()
def test_in_single_precision_and_with_few_tokens_a_rotation_keeps_the_vector_of_ones():
    """Where the tokens say nothing, rounding must not decide."""
    target, other = copies.encoder(0).float(), copies.encoder(1).float()
    x = copies.tokens(1, batch=1, count=5).float()
    found = aligned(other, target, "procrustes", probe(x, x))
    # Ones through the last layer of a block: what it writes along them stays, whatever the rotation.
    before, after = (_sorted(encoder.blocks[1].mlp.fc2.weight).sum(0) for encoder in (other, found))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4)


def test_maps_of_a_rotation_read_backwards_and_write_forwards():
    stream = copies.rotation_with_ones(4, 0)
    maps = Maps.rotation(stream)
    assert torch.equal(maps.mlp_read_DD, stream.T)
    assert torch.equal(maps.attention_write_DD, stream)
