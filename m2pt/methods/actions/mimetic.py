"""What `m2pt.methods.mimetic` does to a model; the declaration says where it is from.

Shapes: D width, K width of a head.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from m2pt.config import ModelConfig
from m2pt.methods.actions.pathway import join
from m2pt.models.encoder import Encoder, random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed, drawn_seed
from m2pt.runs.spec import RunSpec

QUERY_KEY = 0.7, 0.7
"""Factors of noise and identity in the product of query and key weights: the paper's for vision transformers."""


VALUE_PROJECTION = 0.4, -0.4
"""The same for the product of value and projection weights."""


@torch.no_grad()
def mimetic_encoder(config: ModelConfig, seed: int) -> Encoder:
    """An encoder with mimetic attention in every block, drawn from `seed`."""
    encoder = random_encoder(config, seed)
    generator = torch.Generator().manual_seed(derived_seed(seed, "mimetic attention"))
    for block in encoder.blocks:
        layers = [cast(nn.Linear, block.get_submodule(name)).weight for name in ("attn.qkv", "attn.proj")]
        for layer, weight in zip(layers, attention_weights(config.width, config.heads, generator), strict=True):
            layer.copy_(weight)
    return encoder


def attention_weights(width: int, heads: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The weights of `attn.qkv` (3D, D) and `attn.proj` (D, D) of one block, for layers that compute `x W^T`."""
    pairs = [factors(noisy_identity(width, *QUERY_KEY, generator), width // heads) for _ in range(heads)]
    value_DD, projection_DD = factors(noisy_identity(width, *VALUE_PROJECTION, generator), width)
    queries, keys = ([pair[place].T for pair in pairs] for place in (0, 1))
    return torch.cat([*queries, *keys, value_DD.T]), projection_DD


def noisy_identity(width: int, noise: float, identity: float, generator: torch.Generator) -> Tensor:
    """`noise * Z + identity * I` (D, D), with the entries of Z from a normal distribution of variance 1/D."""
    z_DD: Tensor = torch.randn(width, width, generator=generator) / math.sqrt(width)
    return noise * z_DD + identity * torch.eye(width)


def factors(product_DD: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Two matrices (D, rank): the first times the transpose of the second is the best approximation of the product."""
    left_DD, values_D, right_DD = torch.linalg.svd(product_DD)
    roots = values_D[:rank].sqrt()
    return left_DD[:, :rank] * roots, right_DD[:rank].T * roots


def join_mimetic(model: Model, spec: RunSpec, auxiliaries: Sequence[Encoder]) -> None:
    """Join an encoder with mimetic attention, drawn from the run's seed."""
    if auxiliaries:
        raise ValueError(f"{spec.method} takes no auxiliary")
    join(model, spec, [mimetic_encoder(spec.model, drawn_seed(spec, "mimetic"))])
