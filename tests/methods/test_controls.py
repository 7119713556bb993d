"""Controls of the auxiliary's weights: what each of them keeps, what it replaces, and that a seed decides the draw."""

import numpy as np
import pytest
import torch

from m2pt import pathway
from m2pt.methods import METHODS
from m2pt.methods.actions.attention_start import ATTENTION
from m2pt.methods.actions.mimetic import attention_weights, factors, mimetic_encoder, noisy_identity
from m2pt.methods.actions.mlp_start import MLP
from m2pt.methods.actions.spectrum_matched import random_frame, turn, with_random_vectors
from m2pt.models.encoder import random_encoder
from m2pt.training.finetune import build
from tests.methods.test_methods import prepared, state, weights
from tests.specs import MODEL

__all__ = ["weights"]  # the fixture

WIDE = MODEL.model_copy(update={"width": 96, "heads": 4})


def singular_values(matrix):
    return np.linalg.svd(matrix.detach().double().numpy(), compute_uv=False)


def matrices(name, weight):
    """The matrices that a layer holds: queries, keys and values are three."""
    return weight.chunk(3) if "qkv" in name else [weight]


def test_a_spectrum_matched_auxiliary_has_the_singular_values_of_each_matrix_and_none_of_its_vectors(weights):
    spec, places = prepared(weights, "spectrum_matched")
    joined = pathway.auxiliary_weights(build(spec, places, 4))
    assert len(joined) == 8
    for name, turned in joined.items():
        original = state(weights, 1)[f"{name}.weight"]
        for mine, theirs in zip(matrices(name, turned), matrices(name, original), strict=True):
            np.testing.assert_allclose(singular_values(mine), singular_values(theirs), rtol=1e-4, atol=1e-6)
            assert abs(torch.nn.functional.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0)) < 0.2
    again = pathway.auxiliary_weights(build(spec, places, 4))
    assert all(torch.equal(again[name], turned) for name, turned in joined.items())
    other = pathway.auxiliary_weights(build(spec.model_copy(update={"seed": 1}), places, 4))
    assert not any(torch.equal(other[name], turned) for name, turned in joined.items())


def test_a_spectrum_that_is_not_that_of_noise_is_kept_where_shuffling_loses_it():
    encoder = random_encoder(WIDE, 0)
    steep = torch.logspace(0, -4, 96)
    with torch.no_grad():
        frames = [random_frame(96, 96, torch.Generator().manual_seed(seed)).float() for seed in (1, 2)]
        encoder.blocks[0].attn.proj.weight.copy_(frames[0] * steep @ frames[1].T)
        encoder.blocks[0].attn.qkv.weight[:96].mul_(10)
    bias, norm = encoder.blocks[0].attn.qkv.bias.clone(), encoder.blocks[0].norm1.weight.clone()
    turn([encoder], 0)
    np.testing.assert_allclose(singular_values(encoder.blocks[0].attn.proj.weight), steep, rtol=1e-2, atol=1e-6)
    query, key, value = (part.norm().item() for part in encoder.blocks[0].attn.qkv.weight.chunk(3))
    assert query / key == pytest.approx(10, rel=0.1), "queries, keys and values keep their own norms"
    assert key / value == pytest.approx(1, rel=0.1)
    assert torch.equal(encoder.blocks[0].attn.qkv.bias, bias)
    assert torch.equal(encoder.blocks[0].norm1.weight, norm)


def test_random_vectors_overlap_with_the_original_ones_as_random_vectors_do():
    """The squared overlap of two independent unit vectors in D dimensions has the mean 1/D and the variance 2(D-1)/(D²(D+2))."""
    width, draws = 48, 400
    matrix = random_frame(width, width, torch.Generator().manual_seed(0)) * torch.linspace(2, 1, width, dtype=torch.float64)
    u, _, vh = np.linalg.svd(matrix.numpy())
    overlaps = []
    for seed in range(1, draws + 1):
        turned = with_random_vectors(matrix, torch.Generator().manual_seed(seed)).numpy()
        left, _, right = np.linalg.svd(turned)
        overlaps.append([(left[:, 0] @ u[:, 0]) ** 2, (right[0] @ vh[0]) ** 2])
    mean, spread = np.mean(overlaps, axis=0), np.std(overlaps, axis=0)
    expected = np.sqrt(2 * (width - 1) / (width**2 * (width + 2)))
    assert mean == pytest.approx([1 / width] * 2, abs=4 * expected / np.sqrt(draws))
    assert spread == pytest.approx([expected] * 2, rel=0.3)


def test_random_frames_are_orthonormal_and_uniform():
    """Without the correction of signs, the first entry of a QR decomposition's first column would never be positive."""
    frames = [random_frame(5, 3, torch.Generator().manual_seed(seed)) for seed in range(500)]
    torch.testing.assert_close(frames[0].T @ frames[0], torch.eye(3, dtype=torch.float64))
    entries = torch.stack(frames)
    assert (entries.mean(dim=0).abs() < 4 * (1 / 5 / 500) ** 0.5).all()
    torch.testing.assert_close(entries.square().mean(dim=0), torch.full((5, 3), 1 / 5, dtype=torch.float64), rtol=0.3, atol=0)


def test_a_spectrum_matched_start_keeps_biases_and_norms(weights):
    plain, turned = (build(*prepared(weights, name), 4).state_dict() for name in ("auxiliary_start", "spectrum_matched_start"))
    joined = pathway.auxiliary_weights(build(*prepared(weights, "spectrum_matched"), 4))
    for name, value in plain.items():
        if name.startswith("blocks.") and value.ndim > 1:
            assert not torch.equal(turned[name], value)
            assert torch.equal(turned[name], joined[name.removesuffix(".weight")]), "both draw the same vectors"
        else:
            assert torch.equal(turned[name], value)


def test_mimetic_attention_has_the_products_of_the_paper():
    """Its products are known from the same noise: 0.7 Z + 0.7 I cut to the rank of a head, and 0.4 Z - 0.4 I as it is."""
    qkv, projection = attention_weights(WIDE.width, WIDE.heads, torch.Generator().manual_seed(3))
    noise = torch.Generator().manual_seed(3)
    queries, keys, values = (part.double().numpy() for part in qkv.chunk(3))
    width, rank = WIDE.width, WIDE.width // WIDE.heads
    for head in range(WIDE.heads):
        rows = slice(head * rank, (head + 1) * rank)
        whole = 0.7 * torch.randn(width, width, generator=noise).numpy() / np.sqrt(width) + 0.7 * np.eye(width)
        u, s, vh = np.linalg.svd(whole)
        np.testing.assert_allclose(queries[rows].T @ keys[rows], (u[:, :rank] * s[:rank]) @ vh[:rank], atol=1e-4)
        np.testing.assert_allclose(singular_values(torch.from_numpy(queries[rows])), np.sqrt(s[:rank]), rtol=1e-4)
    whole = 0.4 * torch.randn(width, width, generator=noise).numpy() / np.sqrt(width) - 0.4 * np.eye(width)
    np.testing.assert_allclose(values.T @ projection.double().numpy().T, whole, atol=1e-4)


def test_products_of_mimetic_attention_have_the_diagonals_that_trained_attention_has():
    encoder = mimetic_encoder(WIDE, 0)
    for block in encoder.blocks:
        query, key, value = (part.double() for part in block.attn.qkv.weight.detach().chunk(3))
        assert (query.T @ key).diagonal().mean() > 0.5, "the heads' products add up"
        product = value.T @ block.attn.proj.weight.detach().double().T
        assert product.diagonal().mean() == pytest.approx(-0.4, abs=0.03)
        others = product - product.diagonal().diag()
        assert others.std() == pytest.approx(0.4 / 96**0.5, rel=0.05)
        assert not block.attn.qkv.bias.any()
    first, second = (block.attn.proj.weight for block in encoder.blocks)
    assert not torch.equal(first, second)
    plain = random_encoder(WIDE, 0)
    assert torch.equal(encoder.blocks[0].mlp.fc1.weight, plain.blocks[0].mlp.fc1.weight)


def test_factors_reproduce_a_product_of_full_rank():
    product = noisy_identity(32, 0.4, -0.4, torch.Generator().manual_seed(1))
    left, right = factors(product, 32)
    torch.testing.assert_close(left @ right.T, product, rtol=1e-4, atol=1e-5)


def test_mimetic_pathway_and_start_use_the_encoder_of_the_seed(weights):
    joined = pathway.auxiliary_weights(build(*prepared(weights, "mimetic"), 4))
    started = build(*prepared(weights, "mimetic_start"), 4).state_dict()
    assert all(torch.equal(started[f"{name}.weight"], weight) for name, weight in joined.items())
    assert torch.equal(started["tokenizer.projection.weight"], state(weights, 0)["tokenizer.projection.weight"])
    spec, places = prepared(weights, "mimetic", seed=1)
    other = pathway.auxiliary_weights(build(spec, places, 4))
    assert not torch.equal(other["blocks.0.attn.proj"], joined["blocks.0.attn.proj"])


def test_pathways_of_one_half_join_its_layers_alone(weights):
    names = ("attention_pathway", "mlp_pathway")
    halves = {name: pathway.auxiliary_weights(build(*prepared(weights, name), 4)) for name in names}
    whole = pathway.auxiliary_weights(build(*prepared(weights, "pathway"), 4))
    assert {name.split(".", 2)[2] for name in halves["attention_pathway"]} == {"attn.qkv", "attn.proj"}
    assert {name.split(".", 2)[2] for name in halves["mlp_pathway"]} == {"mlp.fc1", "mlp.fc2"}
    together = halves["attention_pathway"] | halves["mlp_pathway"]
    assert together.keys() == whole.keys()
    assert all(torch.equal(together[name], weight) for name, weight in whole.items())


def test_starts_of_one_half_differ_from_the_baseline_in_that_half_alone(weights):
    names = ("baseline", "attention_start", "mlp_start", "auxiliary_start")
    plain, attention, mlp, whole = (build(*prepared(weights, name), 4).state_dict() for name in names)
    changed = {name for name in plain if not torch.equal(plain[name], whole[name])}
    for name, value in plain.items():
        part = name.split(".")[2] if name.startswith("blocks.") else ""
        assert torch.equal(attention[name], whole[name] if part in ATTENTION else value), name
        assert torch.equal(mlp[name], whole[name] if part in MLP else value), name
    differing = {name.split(".")[2] for name in changed}
    assert differing >= {"attn", "mlp"}, "the test would see nothing if both encoders were the same"


@pytest.mark.parametrize("whole", ["spectrum_matched_start", "no_modality_start"])
def test_controls_of_the_attention_have_its_half_of_the_control_of_the_whole_and_the_targets_mlps(whole, weights):
    half = whole.replace("_start", "_attention_start")
    plain, all_of_it, attention = (build(*prepared(weights, name), 4).state_dict() for name in ("baseline", whole, half))
    for name, value in plain.items():
        part = name.split(".")[2] if name.startswith("blocks.") else ""
        assert torch.equal(attention[name], all_of_it[name] if part in ATTENTION else value), name
    differing = {name.split(".")[2] for name in plain if not torch.equal(plain[name], all_of_it[name])}
    assert differing >= {"attn", "mlp"}, "the test would see nothing if both encoders were the same"


def test_the_attention_of_a_control_differs_from_the_auxiliarys_by_its_vectors_alone(weights):
    names = ("attention_start", "spectrum_matched_attention_start")
    taken, turned = (build(*prepared(weights, name), 4).state_dict() for name in names)
    for name, value in taken.items():
        if ".attn." in name and value.ndim > 1:
            assert not torch.equal(turned[name], value)
            matrices = 3 if "qkv" in name else 1  # queries, keys and values
            for mine, theirs in zip(turned[name].chunk(matrices), value.chunk(matrices), strict=True):
                torch.testing.assert_close(
                    torch.linalg.svdvals(mine.double()), torch.linalg.svdvals(theirs.double()), rtol=1e-4, atol=1e-6
                )
        else:
            assert torch.equal(turned[name], value), name


def test_the_controls_of_a_seed_are_drawn_from_it_and_merge_as_a_pathway_does():
    for name in ("spectrum_matched", "mimetic", "attention_pathway", "mlp_pathway"):
        assert METHODS[name].actions().merge is METHODS["pathway"].actions().merge
    starts = ("spectrum_matched_start", "mimetic_start", "attention_start", "mlp_start")
    for name in (*starts, "spectrum_matched_attention_start", "no_modality_attention_start"):
        assert METHODS[name].actions().merge is None
        assert METHODS[name].pathway is None
