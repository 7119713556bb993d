"""Attention maps that come from the auxiliary, copied or learned beside the task; and blocks whose norms alone are trained."""

import copy
from dataclasses import replace

import pytest
import torch
from timm.layers.attention import Attention

from m2pt.config import ImageInput, RivalsConfig
from m2pt.methods import METHODS
from m2pt.methods.actions.attention_distillation import added_loss
from m2pt.methods.actions.attention_maps import attended, blocks_taught, logits_BHNM
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.training.finetune import build, memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.share import Share
from m2pt.training.startable import Means, refusal
from tests.methods.test_methods import RECIPE, prepared, run, splits, state, weights
from tests.specs import MODEL, run_spec

__all__ = ["splits", "weights"]  # fixtures


def softmax_attention(qkv, heads):
    """Attention maps (B, H, N, N) and values from (B, N, 3 * D), written out for one sample and head at a time."""
    batch, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    size = width // heads
    maps, values = torch.empty(batch, heads, tokens, tokens), torch.empty(batch, heads, tokens, size)
    for b in range(batch):
        for h in range(heads):
            q, k, v = (qkv[b, :, part * width + h * size : part * width + (h + 1) * size] for part in range(3))
            maps[b, h] = torch.softmax(q @ k.T / size**0.5, dim=1)
            values[b, h] = v
    return maps, values


def test_maps_are_those_of_plain_attention_and_gather_the_values_as_it_does():
    torch.manual_seed(0)
    attention, x = Attention(24, num_heads=3, qkv_bias=True), torch.randn(2, 5, 24)
    maps, values = softmax_attention(attention.qkv(x), 3)
    torch.testing.assert_close(logits_BHNM(attention, x).softmax(-1), maps)
    other = torch.rand(2, 3, 5, 5).softmax(-1)
    for given in (maps, other):
        rows = torch.stack([torch.cat([given[b, h] @ values[b, h] for h in range(3)], dim=1) for b in range(2)])
        torch.testing.assert_close(attended(attention, x, given), attention.proj(rows))
    torch.testing.assert_close(attended(attention, x, maps), attention(x))


def copying(seeds):
    """A model that copies the attention of a random encoder, and the two models that it is made from."""
    torch.manual_seed(seeds[0])
    target = Model("image", ImageInput(), MODEL, 4)
    teacher = random_encoder(MODEL, seeds[1])
    taught = copy.deepcopy(target)
    METHODS["attention_copy"].actions().apply(taught, run_spec(method="attention_copy"), [copy.deepcopy(teacher)])
    return target, teacher, taught


def test_a_copy_of_its_own_attention_is_the_target():
    """If the teacher is the target itself, nothing changes."""
    torch.manual_seed(0)
    target = Model("image", ImageInput(), MODEL, 4).eval()
    twin, teacher = copy.deepcopy(target), random_encoder(MODEL, 1)
    teacher.blocks = copy.deepcopy(target.blocks)
    METHODS["attention_copy"].actions().apply(twin, run_spec(method="attention_copy"), [teacher])
    x = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(twin.eval()(x), target(x))


def test_a_copied_map_is_the_teachers_for_the_targets_tokens_and_values_are_the_targets_own():
    target, teacher, taught = copying((0, 1))
    x = torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        tokens = others = target.tokenizer.tokens(x).values
        for block, other in zip(target.blocks, teacher.blocks, strict=True):
            maps, _ = softmax_attention(other.attn.qkv(other.norm1(others)), MODEL.heads)
            _, values = softmax_attention(block.attn.qkv(block.norm1(tokens)), MODEL.heads)
            gathered = (maps @ values).transpose(1, 2).flatten(2)
            tokens = tokens + block.attn.proj(gathered)
            tokens = tokens + block.mlp(block.norm2(tokens))
            others = other(others)
        expected = target.head(target.fc_norm(tokens.mean(1)))
        torch.testing.assert_close(taught.eval()(x), expected)
        assert not torch.allclose(target.eval()(x), expected, atol=1e-3)


def test_the_last_quarter_of_the_blocks_keeps_its_own_attention():
    assert [blocks_taught(depth) for depth in (2, 4, 12, 24)] == [2, 3, 9, 18]  # 12 and 24 are the released code's
    deep = MODEL.model_copy(update={"depth": 4})
    for method in ("attention_copy", "attention_distillation"):
        model = Model("image", ImageInput(), deep, 4)
        METHODS[method].actions().apply(model, run_spec(method=method, rivals=RivalsConfig()), [random_encoder(deep, 1)])
        assert [type(block.attn) is Attention for block in model.blocks] == [False, False, False, True]


def test_the_distilled_loss_is_the_cross_entropy_of_the_maps_and_its_gradient_moves_the_student_alone(weights):
    spec, places = prepared(weights, "attention_distillation", rivals=RivalsConfig(attention_weight=0.5))
    model = build(spec, places, 4).train()
    x = torch.rand(3, 1, 16, 16)
    model(x)
    loss = added_loss(model, spec)
    with torch.no_grad():
        expected, tokens = torch.zeros(3), model.tokenizer.tokens(x).values
        others = tokens
        for block, other in zip(model.blocks, model.teacher.blocks, strict=True):
            theirs, _ = softmax_attention(other.attn.qkv(other.norm1(others)), MODEL.heads)
            ours, _ = softmax_attention(block.attn.qkv(block.norm1(tokens)), MODEL.heads)
            expected += 0.5 * -(theirs * ours.log()).sum(3).mean((1, 2))
            tokens, others = block.eval()(tokens), other(others)
    torch.testing.assert_close(loss, expected)
    loss.sum().backward()
    moved = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {"blocks.0.attn.qkv.weight", "tokenizer.projection.weight"} <= moved
    assert not any(name.startswith(("teacher", "head")) for name in moved)


def test_a_distilled_student_is_a_plain_model_in_the_end_and_learned_the_maps(weights, splits, tmp_path):
    spec, places = prepared(weights, "attention_distillation", finetune=RECIPE.model_copy(update={"epochs": 10}))
    record, history = run(spec, places, splits, tmp_path)
    assert record.merge.max_logit_difference == 0
    assert record.parameters == sum(p.numel() for p in Model("image", ImageInput(), MODEL, 4).parameters())
    assert history[-1]["train/added_loss"] < history[0]["train/added_loss"]


@pytest.mark.parametrize("method", ["attention_copy", "attention_distillation"])
def test_recomputed_gradients_and_parts_of_a_batch_are_the_same(method, weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"drop_path": 0.3, "average_decay": 0.9})
    spec, places = prepared(weights, method, finetune=recipe)
    plain = run(spec, places, splits, tmp_path / "plain")
    assert run(spec, replace(places, gradient_checkpointing=True), splits, tmp_path / "again") == plain
    parts = run(spec, replace(places, micro_batch=3), splits, tmp_path / "parts")
    for one, other in zip(plain[1], parts[1], strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-5)
        assert one.get("train/added_loss", 0) == pytest.approx(other.get("train/added_loss", 0), rel=1e-5)


@pytest.mark.parametrize("method", ["attention_copy", "attention_distillation"])
def test_a_published_form_is_refused_before_the_run(method):
    spec = run_spec(method=method, input=ImageInput(form="published", channels=3), pathway=None)
    assert f"{method} is for inputs of the shared form, image is of the published one" in refusal(spec, Means())
    assert refusal(run_spec(method=method, pathway=None, rivals=RivalsConfig()), Means()) is None


def test_of_a_frozen_pretrained_transformer_exactly_the_norms_and_the_ends_move(weights, splits):
    spec, places = prepared(weights, "frozen_pretrained_transformer")
    model = build(spec, places, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = Trainer(spec, model, memory_feed(spec, splits, Share()), torch.device("cpu"))
    for _ in trainer.epoch():
        pass
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    norms = {f"blocks.{i}.{norm}.{kind}" for i in range(2) for norm in ("norm1", "norm2") for kind in ("weight", "bias")}
    ends = {f"{end}.{kind}" for end in ("tokenizer.projection", "fc_norm", "head") for kind in ("weight", "bias")}
    assert moved == norms | ends
    for name in before:
        if name.startswith("blocks."):
            assert torch.equal(before[name], state(weights, 1)[name])
