"""Encoders for tests of alignment: with nothing at its initial value, and copies in other coordinates, written down plainly."""

import copy

import torch
from scipy.stats import ortho_group

from m2pt.config import ModelConfig
from m2pt.modalities.shared.features import Tokens
from m2pt.models.encoder import random_encoder

MODEL = ModelConfig(width=24, depth=3, heads=4)
HEAD = MODEL.width // MODEL.heads


def encoder(seed, config=MODEL):
    """Random weights, biases, gains and offsets, in double precision."""
    made = random_encoder(config, seed).double()
    generator = torch.Generator().manual_seed(seed + 1000)
    with torch.no_grad():
        for parameter in made.blocks.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def tokens(seed, width=MODEL.width, batch=40, count=9):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, count, width, generator=generator, dtype=torch.float64)


def as_tokens(values):
    return Tokens(values, torch.zeros(len(values), values.shape[1], 3))


def permutation(count, seed):
    return torch.eye(count, dtype=torch.float64)[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]


def orthogonal(count, seed):
    return torch.from_numpy(ortho_group.rvs(count, random_state=seed))


def rotation_with_ones(width, seed):
    """A rotation of the stream that keeps the vector of ones."""
    others = torch.randn(width, width - 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    basis = torch.linalg.qr(torch.cat([torch.ones(width, 1, dtype=torch.float64), others], dim=1)).Q
    inner = torch.eye(width, dtype=torch.float64)
    inner[1:, 1:] = orthogonal(width - 1, seed)
    return basis @ inner @ basis.T


@torch.no_grad()
def in_other_coordinates(original, stream_DD, inside, seed, fold=False):
    """A copy whose stream is `stream_DD` times the original's; `inside(count, seed)` gives the maps inside a head.

    With `fold`, gains and offsets of the norms become part of the layers behind them, so that any rotation that keeps the vector
    of ones gives the same function.
    """
    made = copy.deepcopy(original)
    for number, block in enumerate(made.blocks):
        heads = permutation(MODEL.heads, seed + 10 * number)
        blocks = [[inside(HEAD, seed + 10 * number + kind) for _ in range(MODEL.heads)] for kind in (1, 1, 2)]
        # Rows of q, k and v: the heads change places, then each has its map.
        qkv = torch.block_diag(*(torch.block_diag(*maps) @ torch.kron(heads, torch.eye(HEAD)).double() for maps in blocks))
        values = qkv[-MODEL.width :, -MODEL.width :]
        neurons = permutation(block.mlp.fc1.out_features, seed + 10 * number + 3)
        for norm, layer, rows in ((block.norm1, block.attn.qkv, qkv), (block.norm2, block.mlp.fc1, neurons)):
            weight, bias = layer.weight.clone(), layer.bias.clone()
            if fold:
                bias += weight @ norm.bias
                weight *= norm.weight
                norm.weight.fill_(1.0)
                norm.bias.fill_(0.0)
            else:
                norm.weight.copy_(stream_DD @ norm.weight)
                norm.bias.copy_(stream_DD @ norm.bias)
            layer.weight.copy_(rows @ weight @ stream_DD.T)
            layer.bias.copy_(rows @ bias)
        for layer, columns in ((block.attn.proj, values), (block.mlp.fc2, neurons)):
            layer.weight.copy_(stream_DD @ layer.weight @ columns.T)
            layer.bias.copy_(stream_DD @ layer.bias)
    return made
