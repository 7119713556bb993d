"""Encoder, positions and classifier: against timm, and what they promise."""

import pytest
import timm
import torch

from m2pt.config import MODALITIES, InputsConfig
from m2pt.layers import fourier_positions
from m2pt.models.encoder import random_encoder
from m2pt.models.families import build_blocks
from m2pt.models.model import Model
from tests.specs import MODEL

SHAPES = {"image": (1, 16, 16), "audio": (1, 32, 32), "point": (192, 3), "video": (1, 8, 16, 16)}


def test_blocks_compute_what_a_plain_timm_vit_computes():
    blocks = build_blocks(MODEL)
    vit = timm.create_model("vit_tiny_patch16_224", embed_dim=24, depth=2, num_heads=2)
    vit.blocks.load_state_dict(blocks.state_dict())
    tokens = torch.randn(2, 5, 24)
    assert torch.equal(blocks(tokens), vit.blocks(tokens))


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_has_sixteen_tokens_with_places_in_the_unit_cube(modality):
    model = Model(modality, getattr(InputsConfig(), modality), MODEL, 10)
    x = torch.randn(3, *SHAPES[modality]).clamp(-1, 1)
    patches = model.tokenizer.patchify(x)
    assert patches.values_BNP.shape == (3, 16, model.tokenizer.num_values)
    assert patches.coordinates_BN3.abs().max() <= 1
    assert model.tokenizer.embed(patches).shape == (3, 16, 24)
    assert model(x).shape == (3, 10)


def test_positions_tell_all_places_of_a_grid_apart():
    axis = torch.linspace(-1, 1, 8)
    places = torch.cartesian_prod(axis, axis, axis)
    code = fourier_positions(places, 64)
    assert code.shape == (512, 64)
    assert torch.cdist(code, code).fill_diagonal_(1.0).min() > 0.1


def test_a_random_encoder_follows_its_seed_and_leaves_the_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, second, other = (random_encoder(MODEL, seed).blocks[0].mlp.fc1.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
