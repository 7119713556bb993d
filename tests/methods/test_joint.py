"""Training on two modalities at once: what is shared, what each has of its own; the target's side stays the baseline's."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from m2pt.config import AudioInput, ImageInput, RivalsConfig
from m2pt.methods import METHODS
from m2pt.modalities.registry import SPECS
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.folder import MERGED
from m2pt.runs.identity import canonical, derived_seed, run_id
from m2pt.runs.spec import AuxiliaryData, TaskSpec
from m2pt.training.feeds import AuxiliaryFeed
from m2pt.training.finetune import memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.optim import _layer
from m2pt.training.places import Places
from m2pt.training.share import Share
from m2pt.training.startable import Means, refusal
from m2pt.weights.saved import read_weights
from tests.methods.test_methods import RECIPE, build, prepared, run, splits, state, weights
from tests.specs import MODEL, run_spec

__all__ = ["splits", "weights"]  # fixtures

JOINT = ("joint_training", "joint_attention")
NOISE = (*JOINT, "joint_noise")
SOUNDS = AuxiliaryData(input=AudioInput(), sha256="e" * 64)


@pytest.mark.parametrize("method", NOISE)
def test_at_weight_zero_the_target_is_trained_as_in_the_baseline_bit_for_bit(method, weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"drop_path": 0.2, "mixup": 0.8, "average_decay": 0.9})
    spec, places = prepared(weights, method, rivals=RivalsConfig(joint_weight=0.0), finetune=recipe)
    joint, lines = run(spec, places, splits, tmp_path)
    base_spec, base_places = prepared(weights, "baseline", finetune=recipe)
    base, base_lines = run(base_spec, base_places, splits, tmp_path)
    assert [line | {"train/added_loss": 0.0} for line in base_lines] == lines
    assert (joint.confusion, joint.test_score) == (base.confusion, base.test_score)
    ours, theirs = (read_weights(tmp_path / run_id(one) / MERGED) for one in (spec, base_spec))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("method", JOINT)
def test_the_auxiliarys_loss_trains_what_it_goes_through(method, weights, splits):
    """Its gradient alone: all of the blocks, or of the blocks the attention alone; never the target's ends."""
    spec, places = prepared(weights, method)
    model = build(spec, places, 4)
    outputs = METHODS[method].actions().auxiliary_outputs(model, splits["auxiliary"].x[:6])
    assert outputs.shape == (6, 3)
    functional.cross_entropy(outputs, splits["auxiliary"].y[:6]).backward()
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    of_blocks = {name for name in reached if name.startswith("blocks.")}
    everything = {name for name, _ in model.named_parameters() if name.startswith("blocks.")}
    attention = {name for name in everything if ".attn." in name}
    assert of_blocks == (everything if method == "joint_training" else attention)
    own = {name for name in reached if not name.startswith("blocks.")}
    assert own == {name for name, _ in model.named_parameters() if name.startswith("companion.")}
    assert any(name.startswith("companion.own.") for name in own) == (method == "joint_attention")


def test_the_auxiliary_goes_through_its_tokenizer_the_shared_parts_and_its_own(weights, splits):
    x = splits["auxiliary"].x[:5]
    theirs, ours = state(weights, 4), state(weights, 0)

    def norm(values, prefix, source):
        return functional.layer_norm(values, (MODEL.width,), source[f"{prefix}.weight"], source[f"{prefix}.bias"], eps=1e-6)

    def linear(values, prefix, source):
        return functional.linear(values, source[f"{prefix}.weight"], source[f"{prefix}.bias"])

    for method, source in (("joint_training", ours), ("joint_attention", theirs)):
        spec, places = prepared(weights, method)
        model = build(spec, places, 4).eval()
        tokens = model.companion.tokenizer.tokens(x).values
        for index in range(MODEL.depth):
            block = f"blocks.{index}"
            qkv = linear(norm(tokens, f"{block}.norm1", source), f"{block}.attn.qkv", ours)
            q, k, v = qkv.unflatten(2, (3, MODEL.heads, -1)).permute(2, 0, 3, 1, 4)
            attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            tokens = tokens + linear(attended, f"{block}.attn.proj", ours)
            hidden = functional.gelu(linear(norm(tokens, f"{block}.norm2", source), f"{block}.mlp.fc1", source))
            tokens = tokens + linear(hidden, f"{block}.mlp.fc2", source)
        ends = model.companion
        expected = ends.head(functional.layer_norm(tokens.mean(1), (MODEL.width,), eps=1e-6))
        torch.testing.assert_close(METHODS[method].actions().auxiliary_outputs(model, x), expected)
        assert torch.equal(ends.tokenizer.projection.weight, theirs["tokenizer.projection.weight"])


def test_a_step_minimises_the_sum_of_both_losses(weights, splits):
    """Against a step of plain SGD written down here: the gradient is that of the target's loss plus the weighted other one."""
    recipe = RECIPE.model_copy(update={"label_smoothing": 0.0})
    spec, places = prepared(weights, "joint_training", rivals=RivalsConfig(joint_weight=0.5), finetune=recipe)
    model = build(spec, places, 4)
    twin = copy.deepcopy(model)
    feed = memory_feed(spec, splits, Share())
    trainer = Trainer(spec, model, feed, torch.device("cpu"))
    grads = {}
    trainer.optimizer.register_step_pre_hook(
        lambda *_: grads.update({name: p.grad.clone() for name, p in model.named_parameters()})
    )
    next(trainer.epoch())
    batch, beside = next(iter(feed.train(1, 0))).item, feed.auxiliary.batch(0).item
    target = functional.cross_entropy(twin(batch["x"]), batch["y"])
    other = functional.cross_entropy(METHODS["joint_training"].actions().auxiliary_outputs(twin, beside["x"]), beside["y"])
    (target + 0.5 * other).backward()
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(grads[name], parameter.grad, msg=name)
    assert trainer.progress.loss == pytest.approx(10 * target.item())
    assert trainer.line()["train/added_loss"] == pytest.approx(0.5 * other.item())


def test_the_auxiliarys_batches_are_full_pass_over_all_samples_and_depend_on_the_step_alone(splits):
    spec = run_spec(finetune=RECIPE.model_copy(update={"batch_size": 8, "augment": False}))
    samples = splits["auxiliary"]  # 30: three batches of 8 in a pass

    def rows(step):
        x = AuxiliaryFeed(spec, samples).batch(step).item["x"]
        return [next(i for i, y in enumerate(samples.x) if torch.equal(y, row)) for row in x]

    first = [rows(step) for step in range(3)]
    assert all(len(batch) == 8 for batch in first)
    assert len({index for batch in first for index in batch}) == 24
    assert [rows(step) for step in range(3)] == first
    assert [rows(step) for step in range(3, 6)] != first
    other = AuxiliaryFeed(spec.model_copy(update={"seed": 1}), samples).batch(0).item["x"]
    assert not torch.equal(other, samples.x[first[0]])
    augmented = spec.model_copy(update={"finetune": RECIPE.model_copy(update={"batch_size": 8})})
    generator = torch.Generator().manual_seed(derived_seed(0, "auxiliary augment", "audio", 2))
    expected = SPECS["audio"].parts().augment(samples.x[first[2]], generator)
    assert torch.equal(AuxiliaryFeed(augmented, samples).batch(2).item["x"], expected)


@pytest.mark.parametrize("method", JOINT)
def test_it_learns_both_and_ends_as_a_plain_model(method, weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 12, "learning_rate": 5e-3})
    spec, places = prepared(weights, method, finetune=recipe)
    record, lines = run(spec, places, splits, tmp_path)
    assert record.merge.max_logit_difference == 0
    assert record.merge.parameters == record.merge.plain_parameters
    assert lines[-1]["train/added_loss"] < lines[0]["train/added_loss"] < 1.2 * math.log(3)
    assert [loaded.role for loaded in record.loaded] == ["target", "auxiliary"]
    assert not any("companion" in name for name in read_weights(tmp_path / run_id(spec) / MERGED))


@pytest.mark.parametrize("method", NOISE)
def test_recomputed_gradients_and_parts_of_a_batch_are_the_same(method, weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"drop_path": 0.3})
    spec, places = prepared(weights, method, finetune=recipe)
    plain = run(spec, places, splits, tmp_path / "plain")
    assert run(spec, replace(places, gradient_checkpointing=True), splits, tmp_path / "again") == plain
    parts = run(spec, replace(places, micro_batch=3), splits, tmp_path / "parts")
    for one, other in zip(plain[1], parts[1], strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-5)
        assert one["train/added_loss"] == pytest.approx(other["train/added_loss"], rel=1e-5)


@pytest.mark.parametrize("method", JOINT)
def test_a_random_auxiliary_has_the_blocks_of_every_random_auxiliary(method, weights):
    spec, places = prepared(weights, method, auxiliary_weights=None)
    model = build(spec, Places(places.target_weights), 4)
    start = prepared(weights, "auxiliary_start", auxiliary_weights=None)[0]
    drawn = build(start, Places(places.target_weights), 4).state_dict()
    if method == "joint_attention":
        assert torch.equal(model.companion.own[1].mlp.fc1.weight, drawn["blocks.1.mlp.fc1.weight"])
    again = build(spec, Places(places.target_weights), 4).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


def test_noise_has_the_mean_and_the_spread_of_each_value_and_nothing_else_of_the_samples(splits):
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(4000, 1, 4, 4, generator=generator).cumsum(-1) * torch.arange(1.0, 5)[:, None] + 7  # correlated along a row
    sounds = Samples(x, torch.arange(4000) % 3, ("x", "y", "z"))
    spec, other = (run_spec(method="joint_noise", finetune=RECIPE, seed=seed, auxiliary_data=SOUNDS) for seed in (0, 1))
    noise = memory_feed(spec, splits | {"auxiliary": sounds}, Share()).auxiliary.samples
    spread, mean = x.std(0), x.mean(0)
    assert ((noise.x.mean(0) - mean).abs() < 5 * spread / 4000**0.5).all()
    torch.testing.assert_close(noise.x.std(0), spread, rtol=0.06, atol=0)
    for samples, correlated in ((sounds, True), (noise, False)):
        between = torch.corrcoef(samples.x.flatten(1).T).fill_diagonal_(0).abs().max()
        assert between > 0.8 if correlated else between < 5 / 4000**0.5
    assert torch.equal(noise.y, sounds.y)
    again, fresh = (memory_feed(one, splits | {"auxiliary": sounds}, Share()).auxiliary.samples for one in (spec, other))
    assert torch.equal(again.x, noise.x)
    assert not torch.equal(fresh.x, noise.x)


def test_the_control_differs_from_joint_training_by_the_samples_alone(weights, splits):
    made = [prepared(weights, method) for method in ("joint_training", "joint_noise")]
    joint, noise = (build(spec, places, 4).state_dict() for spec, places in made)
    assert joint.keys() == noise.keys()
    assert all(torch.equal(noise[name], value) for name, value in joint.items())
    real, drawn = (memory_feed(spec, splits, Share()).auxiliary.batch(1).item for spec, _ in made)
    assert torch.equal(real["y"], drawn["y"])
    assert not torch.equal(real["x"], drawn["x"])


def test_the_auxiliarys_data_are_part_of_the_id_and_no_other_id_changes():
    spec = run_spec(method="joint_training", auxiliary_data=AuxiliaryData(input=AudioInput(), sha256="e" * 64))
    other = spec.model_copy(update={"auxiliary_data": AuxiliaryData(input=AudioInput(), sha256="f" * 64)})
    form = spec.model_copy(update={"auxiliary_data": AuxiliaryData(input=AudioInput(mels=16), sha256="e" * 64)})
    assert len({run_id(one) for one in (spec, other, form)}) == 3
    assert "auxiliary_data" not in canonical(run_spec().model_dump(mode="json"))
    assert "joint_weight" not in canonical(RivalsConfig().model_dump(mode="json"))


def test_a_companions_layers_are_as_deep_as_the_targets():
    assert [_layer(name, 4) for name in ("companion.tokenizer.projection.weight", "companion.own.2.mlp.fc1.weight")] == [0, 3]
    assert _layer("companion.head.weight", 4) == _layer("head.weight", 4) == 5


@pytest.mark.parametrize("method", NOISE)
def test_what_cannot_run_is_refused_in_one_sentence(method):
    given = AuxiliaryData(input=AudioInput(), sha256="e" * 64)
    spec = run_spec(method=method, pathway=None, rivals=RivalsConfig(), auxiliary_data=given)
    assert refusal(spec, Means()) is None
    assert f"{method} trains with samples of two modalities" in refusal(spec, Means(devices=2))
    task = TaskSpec(dataset="imagenet", goal="classification", variant=None, recipe="r", holdout=0.0, unreadable="fail")
    on_task = spec.model_copy(update={"task": task, "target": "in1k", "auxiliary_data": None})
    assert "in1k is a task on a published data set, so leave one out" in METHODS[method].refusal(on_task)
    published = spec.model_copy(update={"input": ImageInput(form="published", channels=3)})
    assert "image is of the published one" in refusal(published, Means())
    beside = spec.model_copy(update={"auxiliary_data": AuxiliaryData(input=AudioInput(form="published"), sha256="e" * 64)})
    assert "inputs.audio is of the published one" in refusal(beside, Means())
    assert "nothing to train in fix tuning" in refusal(spec.model_copy(update={"tuning": "fix"}), Means())
