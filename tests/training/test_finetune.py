"""Fine-tuning on small random data: pairing, determinism, resuming, freezing, merging."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch

from m2pt import pathway
from m2pt.config import FinetuneConfig, ImageInput, PathwayConfig, UserError
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.runs.folder import CHECKPOINT, HISTORY, MERGED, create_run, read_history
from m2pt.runs.identity import run_id
from m2pt.runs.sample_scores import read_sample_scores
from m2pt.runs.spec import WeightsRef
from m2pt.training.checkpoint import epochs_of_checkpoint, load_checkpoint, save_checkpoint
from m2pt.training.finetune import build, draw_samples, finetune, memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.places import Places
from m2pt.training.pretrain import PretrainedEncoder
from m2pt.training.stopwatch import Stopwatch
from m2pt.weights.saved import read_weights, save_weights
from tests.specs import MODEL, run_spec

CLASSES = ("a", "b", "c", "d")


def make_samples(count, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % len(CLASSES)
    x = 0.3 * torch.rand(count, 1, 16, 16, generator=generator)
    for index, label in enumerate(y.tolist()):
        x[index, :, :, 4 * label : 4 * label + 4] += 0.5
    return Samples(x, y, CLASSES)


@pytest.fixture(scope="module")
def splits():
    return {"train": make_samples(80, 1), "val": make_samples(40, 2), "test": make_samples(40, 3)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A target's and an auxiliary's weights files with their hashes."""
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for seed, name in enumerate(("target", "auxiliary")):
        torch.manual_seed(seed)
        model = Model("image", ImageInput(), MODEL, 4)
        path = folder / f"{name}.safetensors"
        found[name] = path, save_weights(path, PretrainedEncoder(model.tokenizer, model.blocks, model.fc_norm))
    return found


@pytest.fixture
def places(weights):
    return Places(weights["target"][0], (weights["auxiliary"][0],))


def spec_for(weights, **changes):
    refs = {
        "target_weights": WeightsRef(source="mae", modality="image", sha256=weights["target"][1]),
        "auxiliary_weights": WeightsRef(source="mae", modality="audio", sha256=weights["auxiliary"][1]),
    }
    return run_spec(**(refs | changes))


def baseline_for(weights, **changes):
    return spec_for(weights, method="baseline", auxiliary="", pathway=None, auxiliary_weights=None, **changes)


def run(spec, splits, places, folder):
    run_dir = create_run(folder, spec)
    record = finetune(spec, memory_feed(spec, splits, places.share), places, run_dir, Stopwatch())
    return record, (run_dir / HISTORY).read_bytes()


def test_a_pathway_learns_moves_every_scale_and_proves_its_merge(splits, weights, places, tmp_path):
    recipe = FinetuneConfig(samples=80, epochs=6, batch_size=16, warmup_steps=1, learning_rate=5e-3, label_smoothing=0.0)
    record, history = run(spec_for(weights, finetune=recipe), splits, places, tmp_path)
    assert record.test_score > 45
    assert set(record.scales) == {f"blocks.{i}.{layer}" for i in range(2) for layer in pathway.JOINABLE}
    assert all(value != 0 for value in record.scales.values())
    assert record.merge.max_logit_difference <= 1e-5
    assert record.merge.parameters == record.merge.plain_parameters == record.parameters
    last = json.loads(history.decode().splitlines()[-1])
    assert last["epoch"] == 6
    assert last["step"] == 30
    assert last["scale/blocks.1.mlp.fc1"] == record.scales["blocks.1.mlp.fc1"]
    assert sum(map(sum, record.confusion)) == 40
    hits = sum(record.confusion[i][i] for i in range(4))
    assert record.test_score == 100 * hits / 40


def test_the_merged_weights_give_the_recorded_scores_in_a_plain_model(splits, weights, places, tmp_path):
    spec = spec_for(weights)
    record, _ = run(spec, splits, places, tmp_path)
    plain = Model("image", ImageInput(), MODEL, 4)
    plain.load_state_dict(read_weights(tmp_path / run_id(spec) / MERGED, record.files[MERGED]))
    plain.eval()
    with torch.no_grad():
        right = plain(splits["test"].x).argmax(1) == splits["test"].y
    assert 100 * float(right.float().mean()) == pytest.approx(record.test_score)
    assert read_sample_scores(tmp_path / run_id(spec), record).tolist() == right.tolist()


def test_equal_runs_are_equal_bit_for_bit_whatever_ran_before(splits, weights, places, tmp_path):
    first, first_history = run(spec_for(weights), splits, places, tmp_path / "one")
    run(spec_for(weights, seed=5), splits, places, tmp_path / "between")
    torch.rand(17)
    second, second_history = run(spec_for(weights), splits, places, tmp_path / "two")
    assert first == second
    assert first_history == second_history


class Interruption(Exception):
    pass


@pytest.mark.parametrize("score", ["last", "best_val"])
@pytest.mark.parametrize("every_steps", [None, 1])
def test_a_resumed_run_equals_one_that_was_not_interrupted(score, every_steps, splits, weights, places, tmp_path, monkeypatch):
    mixed = {"drop_path": 0.1, "mixup": 0.8, "cutmix": 1.0} if every_steps else {"drop_path": 0.1}
    recipe = FinetuneConfig(samples=40, epochs=4, batch_size=10, warmup_steps=1, score=score, average_decay=0.9, **mixed)
    spec = spec_for(weights, finetune=recipe)
    whole, whole_history = run(spec, splits, places, tmp_path / "whole")
    places = replace(places, checkpoint_every_steps=every_steps)
    step, taken = Trainer._step, []

    def interrupted(trainer, batch):
        if (trainer.progress.epoch, trainer.progress.step) == (3, 2):
            raise Interruption
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(Interruption):
        run(spec, splits, places, tmp_path / "parts")
    monkeypatch.setattr(
        Trainer, "_step", lambda self, batch: (taken.append((self.progress.epoch, self.progress.step)), step(self, batch))[1]
    )
    resumed, resumed_history = run(spec, splits, places, tmp_path / "parts")
    assert taken[0] == ((3, 2) if every_steps else (3, 0))
    assert resumed == whole
    assert resumed_history == whole_history


def test_parts_of_a_batch_add_up_to_the_whole(splits, weights, places, tmp_path):
    recipe = FinetuneConfig(
        samples=40, epochs=3, batch_size=20, warmup_steps=1, drop_path=0.2, mixup=0.8, cutmix=1.0, clip_norm=1.0
    )
    spec = spec_for(weights, finetune=recipe)
    _, whole = run(spec, splits, places, tmp_path / "whole")
    _, parts = run(spec, splits, replace(places, micro_batch=6), tmp_path / "parts")
    for one, other in zip(whole.decode().splitlines(), parts.decode().splitlines(), strict=True):
        assert json.loads(one)["train/loss"] == pytest.approx(json.loads(other)["train/loss"], rel=1e-5)


def test_checkpointed_gradients_are_the_same_gradients(splits, weights, places, tmp_path):
    recipe = FinetuneConfig(samples=40, epochs=2, batch_size=20, warmup_steps=1, drop_path=0.2)
    spec = spec_for(weights, finetune=recipe)
    plain = run(spec, splits, places, tmp_path / "plain")
    assert run(spec, splits, replace(places, gradient_checkpointing=True), tmp_path / "again") == plain


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_width_trains_near_full_width(precision, splits, weights, places, tmp_path):
    recipe = FinetuneConfig(samples=80, epochs=3, batch_size=16, warmup_steps=1, learning_rate=2e-3)
    _, full = run(spec_for(weights, finetune=recipe), splits, places, tmp_path)
    half_spec = spec_for(weights, finetune=recipe.model_copy(update={"precision": precision}))
    _, half = run(half_spec, splits, places, tmp_path)
    assert full != half
    losses = [json.loads(history.decode().splitlines()[-1])["train/loss"] for history in (full, half)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_the_average_of_the_weights_is_what_is_scored(splits, weights, places, tmp_path):
    recipe = FinetuneConfig(samples=40, epochs=2, batch_size=10, warmup_steps=1)
    records_of = {}
    for decay in (None, 0.5):
        spec = spec_for(weights, finetune=recipe.model_copy(update={"average_decay": decay}))
        _, history = run(spec, splits, places, tmp_path)
        records_of[decay] = read_weights(tmp_path / run_id(spec) / MERGED), history
    assert (
        json.loads(records_of[None][1].decode().splitlines()[0])["train/loss"]
        == json.loads(records_of[0.5][1].decode().splitlines()[0])["train/loss"]
    )
    assert not torch.equal(records_of[None][0]["head.weight"], records_of[0.5][0]["head.weight"])


def test_a_truncated_checkpoint_starts_the_run_over_with_the_same_result(splits, weights, places, tmp_path):
    spec = spec_for(weights)
    whole, history = run(spec, splits, places, tmp_path / "whole")
    run_dir = create_run(tmp_path / "broken", spec)
    run(spec, splits, places, tmp_path / "broken")
    checkpoint = run_dir / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert run(spec, splits, places, tmp_path / "broken") == (whole, history)


def test_runs_of_one_seed_share_samples_head_and_tokenizer_across_methods(weights, places):
    models = [build(spec, places, 4) for spec in (baseline_for(weights), spec_for(weights))]
    for part in ("tokenizer", "head", "fc_norm"):
        ours, theirs = (getattr(model, part).state_dict() for model in models)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    other = build(baseline_for(weights, seed=1), places, 4)
    assert not torch.equal(other.head.weight, models[0].head.weight)


def test_at_scale_zero_frozen_a_pathway_run_equals_the_baseline_bit_for_bit(splits, weights, places, tmp_path):
    frozen = PathwayConfig(scale_trainable=False, auxiliary_trainable=False)
    zero, _ = run(spec_for(weights, pathway=frozen), splits, places, tmp_path)
    base, _ = run(baseline_for(weights), splits, places, tmp_path)
    assert zero.confusion == base.confusion
    ours = read_weights(tmp_path / zero.run_id / MERGED)
    theirs = read_weights(tmp_path / base.run_id / MERGED)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_fix_trains_the_scales_and_the_head_and_nothing_else(splits, weights, places, tmp_path, monkeypatch):
    spec = spec_for(weights, tuning="fix")
    before = {name: value.clone() for name, value in build(spec, places, 4).state_dict().items()}
    after = {}
    merge = pathway.merge
    monkeypatch.setattr(pathway, "merge", lambda model: (after.update(copy.deepcopy(model.state_dict())), merge(model))[1])
    record, _ = run(spec, splits, places, tmp_path)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    scales = {name for name in before if ".scales." in name}
    assert changed == scales | {"head.weight", "head.bias"}
    assert record.trainable_parameters == len(scales) + before["head.weight"].numel() + 4


def test_scratch_uses_no_weights_of_the_target(weights, places):
    spec = spec_for(weights, setting="scratch", target_weights=None)
    pretrained = build(spec_for(weights), places, 4).state_dict()
    scratch = build(spec, Places(None, places.auxiliary_weights), 4).state_dict()
    name = "blocks.0.mlp.fc1"
    assert not torch.equal(scratch[f"{name}.weight"], pretrained[f"{name}.weight"])
    assert torch.equal(scratch[f"{name}.join.auxiliaries.0"], pretrained[f"{name}.join.auxiliaries.0"])


def test_the_random_auxiliary_is_fresh_for_each_seed_and_the_same_for_one(weights, places):
    spec = spec_for(weights, method="random_auxiliary", auxiliary="random", auxiliary_weights=None)
    models = [build(spec.model_copy(update={"seed": seed}), places, 4) for seed in (0, 0, 1)]
    drawn = [pathway.auxiliary_weights(model)["blocks.0.attn.qkv"] for model in models]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    of_replicates = [build(spec.model_copy(update={"replicate": place}), places, 4) for place in (0, 1)]
    again = [pathway.auxiliary_weights(model)["blocks.0.attn.qkv"] for model in of_replicates]
    assert not torch.equal(again[0], again[1]) and not torch.equal(drawn[0], again[0])


@pytest.mark.parametrize("method", ["own_lineage", "own_apart"])
def test_a_control_of_the_own_modality_refuses_another_one(method, weights, places):
    with pytest.raises(ValueError, match=f"{method} needs an auxiliary of the modality image"):
        build(spec_for(weights, method=method), places, 4)


def test_scales_that_do_not_move_fail_the_run(splits, weights, places, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "m2pt.training.loop.clip_gradients", lambda parameters, norm: [p.grad.zero_() for p in parameters if p.ndim == 0]
    )
    with pytest.raises(UserError, match=r"did not move.*blocks\.0\.attn\.qkv"):
        run(spec_for(weights), splits, places, tmp_path)


def test_changed_weights_and_an_auxiliary_of_another_depth_are_refused(splits, weights, places, tmp_path):
    with pytest.raises(UserError, match="changed since the run was planned"):
        run(spec_for(weights, target_weights=WeightsRef(source="m", modality="image", sha256="0" * 64)), splits, places, tmp_path)
    short = tmp_path / "short.safetensors"
    sha256 = save_weights(short, torch.nn.ModuleDict({"blocks": Encoder(MODEL).blocks[:1]}))
    spec = spec_for(weights, auxiliary_weights=WeightsRef(source="m", modality="audio", sha256=sha256))
    with pytest.raises(UserError, match=r"short\.safetensors: has depth 1, model\.depth is 2"):
        run(spec, splits, Places(places.target_weights, (short,)), tmp_path)


def test_a_draw_is_balanced_reproducible_and_refuses_too_many(splits):
    drawn = draw_samples(splits["train"], 21, seed=4)
    counts = drawn.y.bincount().tolist()
    assert max(counts) - min(counts) <= 1
    assert torch.equal(drawn.x, draw_samples(splits["train"], 21, seed=4).x)
    assert not torch.equal(drawn.y, draw_samples(splits["train"], 21, seed=5).y)
    assert len({tuple(row) for row in drawn.x.flatten(1).tolist()}) == 21
    with pytest.raises(UserError, match="81 requested, but the train split has 80"):
        draw_samples(splits["train"], 81, seed=0)


def test_best_val_keeps_the_epoch_with_the_best_validation_score(splits, weights, places, tmp_path):
    recipe = FinetuneConfig(samples=40, epochs=4, batch_size=16, warmup_steps=1, score="best_val")
    record, history = run(baseline_for(weights, finetune=recipe), splits, places, tmp_path)
    scores = [json.loads(line)["val/accuracy"] for line in history.decode().splitlines()]
    assert record.val_score == max(scores)
    assert record.epoch == scores.index(max(scores)) + 1


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_a_scale_is_logged_as_what_it_is_and_beside_its_rate(granularity, splits, weights, places, tmp_path, monkeypatch):
    recipe = FinetuneConfig(samples=40, epochs=2, batch_size=10, warmup_steps=2, layer_decay=0.5)
    last = {}
    merge = pathway.merge
    monkeypatch.setattr(pathway, "merge", lambda model: (last.update(copy.deepcopy(pathway.scales(model))), merge(model))[1])
    spec = spec_for(weights, finetune=recipe, pathway=PathwayConfig(granularity=granularity, scale_lr_multiple=30.0))
    record, history = run(spec, splits, places, tmp_path)
    first, line = (json.loads(text) for text in history.decode().splitlines())
    name, scale = "blocks.0.attn.qkv", last["blocks.0.attn.qkv"].detach()
    if granularity == "layer":
        assert record.scales[name] == line[f"scale/{name}"] == float(scale)
    else:
        expected = float(scale.abs().mean())
        assert expected != pytest.approx(float(scale.mean()))
        assert record.scales[f"{name}/abs_mean"] == line[f"scale/{name}/abs_mean"] == pytest.approx(expected)
        assert f"scale/{name}" not in line
    assert record.scale_abs_max == max(float(scale.detach().abs().max()) for scale in last.values())
    # Step 4 of 8, the second after the peak, of half a cosine over 6 steps; whatever layer decay slows, the head has this rate.
    assert first["learning_rate"] == pytest.approx(1e-3 * 0.5 * (1 + math.cos(math.pi * 1 / 6)))
    assert first["scale_learning_rate"] == pytest.approx(30 * first["learning_rate"])


def test_what_a_checkpoint_would_go_on_from_is_told_without_the_lines_after_it(splits, weights, places, tmp_path):
    spec = baseline_for(weights, finetune=FinetuneConfig(samples=40, epochs=3, batch_size=10, warmup_steps=1))
    run(spec, splits, replace(places, checkpoint_every_epochs=2), tmp_path)
    run_dir = tmp_path / run_id(spec)
    assert epochs_of_checkpoint(run_dir) == 3
    state = load_checkpoint(run_dir, torch.device("cpu"))
    save_checkpoint(run_dir, state | {"history": state["history"][:2]})
    assert len(read_history(run_dir)) == 3
    assert epochs_of_checkpoint(run_dir) == 2
    (run_dir / CHECKPOINT).write_bytes(b"cut off")
    assert epochs_of_checkpoint(run_dir) is None
    (run_dir / CHECKPOINT).unlink()
    assert epochs_of_checkpoint(run_dir) is None
