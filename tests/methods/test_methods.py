"""What defines each method, and that each of them trains, resumes and is scored."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from m2pt import pathway
from m2pt.config import METHOD_NAMES, AudioInput, FinetuneConfig, ImageInput, PathwayConfig, RivalsConfig, UserError
from m2pt.config.study_file import parse_study
from m2pt.methods import METHODS, _declared
from m2pt.methods.__main__ import inserted
from m2pt.methods._declaration import Kind
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import Encoder, random_encoder
from m2pt.models.model import Model
from m2pt.runs.folder import MERGED, create_run, read_history
from m2pt.runs.identity import run_id
from m2pt.runs.spec import AuxiliaryData, WeightsRef
from m2pt.training.finetune import build as build_model
from m2pt.training.finetune import finetune, memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.places import Places
from m2pt.training.pretrain import PretrainedEncoder
from m2pt.training.share import Share
from m2pt.training.stopwatch import Stopwatch
from m2pt.weights.saved import read_weights, save_weights
from tests.specs import MODEL, run_spec

RECIPE = FinetuneConfig(samples=40, epochs=3, batch_size=10, warmup_steps=1, learning_rate=2e-3)


def make_samples(count, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 4
    x = 0.3 * torch.rand(count, 1, 16, 16, generator=generator)
    for index, label in enumerate(y.tolist()):
        x[index, :, :, 4 * label : 4 * label + 4] += 0.5
    return Samples(x, y, ("a", "b", "c", "d"))


@pytest.fixture(scope="module")
def splits():
    return made_splits()


def made_splits():
    sounds = make_samples(30, 4)
    beside = Samples(torch.nn.functional.interpolate(sounds.x, 32), sounds.y % 3, ("x", "y", "z"))  # (N, 1, frames, mels)
    return {"train": make_samples(40, 1), "val": make_samples(40, 2), "test": make_samples(40, 3), "auxiliary": beside}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    found = []
    for seed in range(5):
        torch.manual_seed(seed)
        model = Model("image", ImageInput(), MODEL, 4) if seed < 4 else Model("audio", AudioInput(), MODEL, 4)
        path = folder / f"{seed}.safetensors"
        found.append((path, save_weights(path, PretrainedEncoder(model.tokenizer, model.blocks, model.fc_norm))))
    return found


def prepared(weights, method, **changes):
    """The spec of a run by a method, and where its weights lie."""
    declared = METHODS[method]
    takes = declared.takes
    count = {"nothing": 0, "random": 0, "each": 1, "own": 1, "no_modality": 1, "all": 3}[takes] + declared.adds_what_was_learned
    refs = [WeightsRef(source="mae", modality="audio", sha256=sha256) for _, sha256 in weights[1 : 1 + count]]
    auxiliary = {"random": "random", "each": "audio", "own": "image", "all": "audio+point+video"}.get(takes, "")
    base = PathwayConfig(scale_lr_multiple=10.0)
    if declared.reads_auxiliary_samples:  # the auxiliary brings a tokenizer of its own modality
        return _with_samples(weights, method, changes)
    fields = {
        "method": method,
        "auxiliary": auxiliary,
        "pathway": None if declared.pathway is None else base.model_copy(update=dict(declared.pathway)),
        "rivals": RivalsConfig(lora_rank=2, adapter_width=4) if declared.rivals else None,
        "finetune": RECIPE,
        "target_weights": WeightsRef(source="mae", modality="image", sha256=weights[0][1]),
        "auxiliary_weights": refs[0] if refs else None,
        "more_weights": tuple(refs[1:]),
    }
    return run_spec(**(fields | changes)), Places(weights[0][0], tuple(path for path, _ in weights[1 : 1 + count]))


def _with_samples(weights, method, changes):
    path, sha256 = weights[4]
    fields = {
        "method": method,
        "pathway": None,
        "rivals": RivalsConfig(alignment_steps=1),
        "finetune": RECIPE,
        "target_weights": WeightsRef(source="mae", modality="image", sha256=weights[0][1]),
        "auxiliary_weights": WeightsRef(source="mae", modality="audio", sha256=sha256),
        "auxiliary_data": AuxiliaryData(input=AudioInput(), sha256="e" * 64),
    }
    return run_spec(**(fields | changes)), Places(weights[0][0], (path,))


def build(spec, places, num_classes):
    return build_model(spec, places, num_classes, feed=memory_feed(spec, made_splits(), Share()))


def run(spec, places, splits, folder):
    run_dir = create_run(folder, spec)
    record = finetune(spec, memory_feed(spec, splits, Share()), places, run_dir, Stopwatch())
    return record, read_history(run_dir)


def state(weights, index):
    return read_weights(weights[index][0])


def test_every_method_is_declared_once_and_described():
    assert sorted(METHODS) == list(METHOD_NAMES)
    assert all(method.description and method.kind in get_args(Kind) for method in METHODS.values())
    assert len({method.rank for method in METHODS.values()}) == len(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_declares_is_what_it_does(method):
    declared = METHODS[method]
    does = declared.actions()
    assert declared.aligns is (does.align is not None)
    assert ("alignment_steps" in declared.rivals) is (does.alignment is not None)
    assert declared.reads_auxiliary_samples is (does.alignment is not None or does.auxiliary_outputs is not None)


def test_a_file_beside_the_methods_must_declare_one(monkeypatch):
    monkeypatch.setattr("m2pt.methods.METHOD_NAMES", ("pathway", "_declaration"))
    with pytest.raises(TypeError, match=r"m2pt/methods/_declaration\.py: declares no METHOD"):
        _declared()


def test_an_unknown_method_is_refused_with_the_nearest_one_when_a_study_is_read():
    text = "study: a\nencoders: {mae: {kind: mae}}\nsweep: {seeds: [0], methods: [baseline, pathwy]}\n"
    with pytest.raises(UserError, match=r"^a\.yaml:3: sweep\.methods\[1\]: \"pathwy\" is unknown; did you mean pathway\?$"):
        parse_study(text, "a.yaml")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_is_scored_and_goes_on_after_an_interruption(method, weights, splits, tmp_path, monkeypatch):
    spec, places = prepared(weights, method)
    whole = run(spec, places, splits, tmp_path / "whole")
    assert all(torch.isfinite(torch.tensor(line["train/loss"])) for line in whole[1])
    assert whole[1][-1]["train/loss"] < whole[1][0]["train/loss"]
    if METHODS[method].actions().merge is not None:
        assert whole[0].merge.max_logit_difference < 1e-4
        assert whole[0].merge.parameters == whole[0].merge.plain_parameters

    class Interruption(Exception):
        pass

    step = Trainer._step

    def interrupted(trainer, batch):
        if trainer.progress.epoch == 3:
            raise Interruption
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(Interruption):
        run(spec, places, splits, tmp_path / "parts")
    monkeypatch.setattr(Trainer, "_step", step)
    assert run(spec, places, splits, tmp_path / "parts") == whole


def test_two_branches_equal_the_pathway_over_fifty_steps(weights, splits, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 13, "learning_rate": 1e-3})
    histories = []
    for method in ("pathway", "two_branch"):
        spec, places = prepared(weights, method, finetune=recipe)
        record, history = run(spec, places, splits, tmp_path)
        assert all(value != 0 for value in record.scales.values())
        histories.append(history)
    assert histories[0][-1]["step"] >= 50
    for one, two in zip(*histories, strict=True):
        assert one["train/loss"] == pytest.approx(two["train/loss"], rel=1e-5)
        assert one["scale/blocks.1.mlp.fc1"] == pytest.approx(two["scale/blocks.1.mlp.fc1"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("granularity", ["layer", "block", "head", "channel"])
def test_two_branches_have_the_gradients_of_the_sum_in_double_precision(granularity):
    models, auxiliary = [], random_encoder(MODEL, 5).double()
    for branches in (False, True):
        torch.manual_seed(0)
        model = Model("image", ImageInput(), MODEL, 4).double()
        pathway.attach(model, auxiliary, granularity=granularity, scale_init=0.3, branches=branches)
        models.append(model)
    x = torch.rand(3, 1, 16, 16, dtype=torch.float64)
    outputs = [model(x) for model in models]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-10, atol=1e-12)
    for output in outputs:
        output.square().sum().backward()
    for one, two in zip(pathway.scales(models[0]).values(), pathway.scales(models[1]).values(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-8, atol=1e-10)
    pathway.merge(models[1])
    assert set(models[1].state_dict()) == set(Model("image", ImageInput(), MODEL, 4).state_dict())
    torch.testing.assert_close(models[1](x), outputs[0], rtol=1e-10, atol=1e-12)


def test_a_scale_frozen_at_zero_is_the_baseline_bit_for_bit(weights, splits, tmp_path):
    found = {}
    for method in ("baseline", "zero_scale"):
        spec, places = prepared(weights, method)
        record, history = run(spec, places, splits, tmp_path)
        losses = [json.dumps([line["train/loss"], line["val/loss"]]) for line in history]
        found[method] = losses, record.confusion, read_weights(tmp_path / run_id(spec) / MERGED)
    assert found["baseline"][:2] == found["zero_scale"][:2]
    ours, theirs = found["baseline"][2], found["zero_scale"][2]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_shuffling_keeps_the_norm_and_the_values_of_each_matrix_and_nothing_of_their_order(weights):
    spec, places = prepared(weights, "shuffled_auxiliary")
    joined = pathway.auxiliary_weights(build(spec, places, 4))
    for name, shuffled in joined.items():
        original = state(weights, 1)[f"{name}.weight"]
        assert not torch.equal(shuffled, original)
        assert torch.equal(shuffled.flatten().sort().values, original.flatten().sort().values)
        torch.testing.assert_close(shuffled.norm(), original.norm())
    again = pathway.auxiliary_weights(build(spec, places, 4))
    assert all(torch.equal(again[name], shuffled) for name, shuffled in joined.items())


def test_a_shuffled_start_has_the_values_of_the_auxiliary_and_nothing_of_their_order(weights):
    plain, shuffled = (build(*prepared(weights, name), 4).state_dict() for name in ("auxiliary_start", "shuffled_start"))
    for name in ("blocks.0.attn.qkv.weight", "blocks.1.mlp.fc2.weight"):
        assert not torch.equal(plain[name], shuffled[name])
        assert torch.equal(plain[name].flatten().sort().values, shuffled[name].flatten().sort().values)
    assert torch.equal(plain["blocks.0.norm1.weight"], shuffled["blocks.0.norm1.weight"])


def test_orders_copies_and_nothing(weights):
    spec, places = prepared(weights, "reversed_order")
    joined = pathway.auxiliary_weights(build(spec, places, 4))
    assert torch.equal(joined["blocks.0.mlp.fc1"], state(weights, 1)["blocks.1.mlp.fc1.weight"])
    spec, places = prepared(weights, "target_copy")
    joined = pathway.auxiliary_weights(build(spec, places, 4))
    assert torch.equal(joined["blocks.1.attn.qkv"], state(weights, 0)["blocks.1.attn.qkv.weight"])
    spec, places = prepared(weights, "matched_parameters")
    model = build(spec, places, 4)
    assert not any(weight.any() for weight in pathway.auxiliary_weights(model).values())
    pathway_spec, pathway_places = prepared(weights, "pathway")
    count = sum(p.numel() for p in build(pathway_spec, pathway_places, 4).parameters() if p.requires_grad)
    ours = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count - ours == len(pathway.scales(model)), "the scales alone are more"


def test_several_auxiliaries_have_a_scale_each(weights, splits, tmp_path):
    spec, places = prepared(weights, "all_auxiliaries")
    record, _ = run(spec, places, splits, tmp_path)
    assert {name.rpartition(".")[2] for name in record.scales} == {"0", "1", "2"}
    assert len(record.scales) == 2 * 4 * 3
    assert all(value != 0 for value in record.scales.values())


@pytest.mark.parametrize("method", ["frozen_encoder", "adapters", "cross_attention", "lora"])
def test_what_is_frozen_stays(method, weights, splits, tmp_path):
    spec, places = prepared(weights, method)
    before = build(spec, places, 4)
    frozen = {name: p.detach().clone() for name, p in before.named_parameters() if not p.requires_grad}
    assert frozen
    feed = memory_feed(spec, splits, Share())
    trainer = Trainer(spec, before, feed, torch.device("cpu"))
    for _ in trainer.epoch():
        pass
    after = dict(before.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in frozen.items())
    moved = {name for name, p in after.items() if p.requires_grad}
    assert {"head.weight", "tokenizer.projection.weight"} <= moved
    if method in ("frozen_encoder", "adapters"):
        assert torch.equal(after["blocks.0.attn.qkv.weight"], state(weights, 1)["blocks.0.attn.qkv.weight"])
    if method == "cross_attention":
        assert torch.equal(after["blocks.0.beside.attn.qkv.weight"], state(weights, 1)["blocks.0.attn.qkv.weight"])
        assert "blocks.0.block.attn.qkv.weight" in moved


def test_at_the_start_gates_adapters_and_low_rank_matrices_change_nothing(weights, splits):
    x = splits["val"].x[:8]
    outputs = {}
    for method in ("baseline", "cross_attention", "lora", "frozen_encoder", "adapters"):
        spec, places = prepared(weights, method)
        outputs[method] = build(spec, places, 4).eval()(x)
    assert torch.equal(outputs["baseline"], outputs["cross_attention"])
    assert torch.equal(outputs["baseline"], outputs["lora"])
    assert torch.equal(outputs["frozen_encoder"], outputs["adapters"])
    assert not torch.equal(outputs["baseline"], outputs["frozen_encoder"])


def test_starts_are_the_sums_they_say(weights):
    key = "blocks.1.mlp.fc2.weight"
    target, auxiliary, other = (state(weights, index)[key] for index in range(3))
    for method, expected in (
        ("auxiliary_start", auxiliary),
        ("interpolation", 0.9 * target + 0.1 * auxiliary),
        ("task_arithmetic", target + 0.1 * (auxiliary - other)),
    ):
        spec, places = prepared(weights, method)
        torch.testing.assert_close(build(spec, places, 4).state_dict()[key], expected)


@pytest.mark.parametrize("method", ["pathway", "own_lineage", "all_auxiliaries", "frozen_encoder", "auxiliary_start"])
def test_every_method_can_have_random_weights_in_its_auxiliarys_place(method, weights):
    """That is its own random control: drawn from the seed and the auxiliary's name, so that names and seeds differ."""
    spec, places = prepared(weights, method, auxiliary_weights=None, more_weights=())

    def joined(**changes):
        return build(spec.model_copy(update=changes), Places(places.target_weights), 4).state_dict()

    names = {"each": "point", "own": "image", "all": "point+audio+video"}
    other = joined(auxiliary=names[METHODS[method].takes]) if METHODS[method].takes != "own" else joined(seed=spec.seed + 1)
    first, again = joined(), joined()
    assert any(not torch.equal(first[key], other[key]) for key in first if "blocks" in key)
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_runs_of_one_seed_share_head_and_tokenizer_whatever_the_method(weights):
    states = [build(*prepared(weights, method), 4).state_dict() for method in METHODS]
    for key in ("tokenizer.projection.weight", "head.weight", "fc_norm.weight"):
        assert all(torch.equal(found[key], states[0][key]) for found in states)


def test_a_baseline_and_copies_refuse_an_auxiliary(weights):
    spec, places = prepared(weights, "pathway")
    for method in ("baseline", "target_copy", "matched_parameters", "random_auxiliary", "lora"):
        with pytest.raises(ValueError, match=r"takes no auxiliary|draws its own|copies the target"):
            build(spec.model_copy(update={"method": method}), places, 4)
    assert isinstance(random_encoder(MODEL, 0), Encoder)
    assert replace(places, auxiliary_weights=()) != places


def test_the_readme_has_the_table_of_methods_that_the_code_gives():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert inserted(text) == text, "run python -m m2pt.methods README.md"
    assert all(f"| `{method}` |" in text for method in METHODS)
