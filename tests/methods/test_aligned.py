"""Aligned methods: what they join is the auxiliary in the target's coordinates, found with what they are allowed to see."""

from dataclasses import replace

import pytest
import torch

from m2pt import pathway
from m2pt.alignment import Probe, aligned
from m2pt.config import ImageInput, PathwayConfig, PointInput, RivalsConfig
from m2pt.methods import METHODS
from m2pt.modalities.shared.samples import Samples
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model
from m2pt.runs.identity import canonical, derived_seed
from m2pt.runs.spec import WeightsRef
from m2pt.training import probe
from m2pt.training.finetune import build, memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.pretrain import PretrainedEncoder
from m2pt.training.share import Share
from m2pt.weights.saved import read_weights, save_weights
from tests.methods.test_methods import make_samples, prepared, run
from tests.specs import MODEL

KINDS = ("weights", "activations", "procrustes", "linear")


@pytest.fixture(scope="module")
def splits():
    return {"train": make_samples(40, 1), "val": make_samples(40, 2), "test": make_samples(40, 3)}


@pytest.fixture(scope="module")
def models():
    """Models with nothing at its initial value."""
    made = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = Model("image", ImageInput(), MODEL, 4)
        with torch.no_grad():
            for parameter in model.blocks.parameters():
                if parameter.ndim == 1:
                    parameter.add_(0.2 * torch.randn_like(parameter))
        made.append(model)
    return made


@pytest.fixture(scope="module")
def weights(models, tmp_path_factory):
    return [saved(model, tmp_path_factory.mktemp("weights") / "model.safetensors") for model in models]


def saved(model, path):
    return path, save_weights(path, PretrainedEncoder(model.tokenizer, model.blocks, model.fc_norm))


def permuted(model, path):
    """A copy of a model with its stream and its neurons in another order."""
    torch.manual_seed(9)
    stream, neurons = torch.randperm(MODEL.width), torch.randperm(4 * MODEL.width)
    state = {name: value.clone() for name, value in model.blocks.state_dict().items()}
    for name, value in state.items():
        if name.endswith(("qkv.weight", "fc1.weight")):
            value = value[:, stream]
        elif not name.endswith(("qkv.bias", "fc1.bias")):
            value = value[stream]
        value = value[neurons] if ".fc1." in name else value
        state[name] = value[:, neurons] if name.endswith("fc2.weight") else value
    other = Model("image", ImageInput(), MODEL, 4)
    other.blocks.load_state_dict(state)
    return saved(other, path)


def joined(weights, method, feed=None, **changes):
    spec, places = prepared(weights, method, **changes)
    return pathway.auxiliary_weights(build(spec, places, 4, feed=feed))


def aligning(kind):
    return PathwayConfig(scale_lr_multiple=10.0, alignment=kind)


def test_a_permuted_copy_of_the_target_is_joined_as_the_target(weights, models, tmp_path):
    found = joined([weights[0], permuted(models[0], tmp_path / "p")], "aligned_pathway")
    own = read_weights(weights[0][0])
    assert all(torch.equal(weight, own[f"{name}.weight"]) for name, weight in found.items())
    start = build(*prepared([weights[0], permuted(models[0], tmp_path / "p")], "rebasin_interpolation"), 4).state_dict()
    for name, value in start.items():
        if name.startswith("blocks."):
            torch.testing.assert_close(value, own[name], rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("method", ["aligned_pathway", "rebasin_interpolation"])
def test_another_auxiliary_comes_nearer_to_the_target(method, weights):
    plain = "pathway" if method == "aligned_pathway" else "interpolation"
    own, distances = read_weights(weights[0][0]), {}
    for name in (method, plain):
        model = build(*prepared(weights, name), 4)
        found = {f"{key}.weight": value for key, value in pathway.auxiliary_weights(model).items()} or model.state_dict()
        keys = [key for key in found if key in own and found[key].ndim > 1 and key.startswith("blocks.")]
        distances[name] = float(sum((found[key] - own[key]).square().sum() for key in keys))
    assert distances[method] < 0.97 * distances[plain]


@pytest.mark.parametrize("kind", KINDS)
def test_random_weights_are_those_of_the_random_auxiliary_in_other_coordinates(kind, weights, splits):
    spec, _ = prepared(weights, "aligned_random", pathway=aligning(kind))
    feed = memory_feed(spec, splits, Share())
    drawn = random_encoder(MODEL, derived_seed(spec.seed, "random auxiliary")).state_dict()
    for name, weight in joined(weights, "random_auxiliary").items():
        assert torch.equal(weight, drawn[f"{name}.weight"])
    for name, weight in joined(weights, "aligned_random", feed, pathway=aligning(kind)).items():
        original = drawn[f"{name}.weight"]
        assert not torch.equal(weight, original)
        if kind != "linear":  # singular values stay, up to the gains that the target's norms have and fresh ones do not
            same = torch.allclose(torch.linalg.svdvals(weight), torch.linalg.svdvals(original), atol=1e-4)
            assert same or (kind == "procrustes" and name.endswith(("qkv", "fc1")))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("method", ["aligned_pathway", "aligned_apart", "aligned_apart_random", "aligned_random"])
def test_every_alignment_trains_and_goes_on_after_an_interruption(method, kind, weights, splits, tmp_path, monkeypatch):
    spec, places = prepared(weights, method, pathway=aligning(kind))
    whole = run(spec, places, splits, tmp_path / "whole")
    assert whole[0].merge.max_logit_difference < 1e-4
    step = Trainer._step

    def interrupted(trainer, batch):
        if trainer.progress.epoch == 3:
            raise KeyboardInterrupt
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(spec, places, splits, tmp_path / "parts")
    monkeypatch.setattr(Trainer, "_step", step)
    assert run(spec, places, splits, tmp_path / "parts") == whole


@pytest.mark.parametrize("method", ["aligned_pathway", "rebasin_interpolation"])
def test_without_labels_only_the_samples_of_the_run_are_seen(method, weights, splits):
    """Labels, validation and test data may change; the training samples may not."""
    changes = {"rivals": RivalsConfig(matching="activations")} if method == "rebasin_interpolation" else {}
    changes |= {"pathway": aligning("activations")} if method == "aligned_pathway" else {}
    spec, places = prepared(weights, method, **changes)

    def found(**other):
        return build(spec, places, 4, feed=memory_feed(spec, splits | other, Share())).state_dict()

    train = splits["train"]
    same = found()
    unlabelled = found(train=replace(train, y=train.y.flip(0)), val=make_samples(40, 7), test=make_samples(40, 8))
    assert all(torch.equal(same[name], unlabelled[name]) for name in same)
    other = found(train=make_samples(40, 9))
    assert any(not torch.equal(same[name], other[name]) for name in same)


def test_an_auxiliary_of_the_own_modality_reads_tokens_of_its_own(weights, models, splits):
    x = splits["train"].x
    for modality, number in (("audio", 0), ("image", 1)):
        reference = WeightsRef(source="mae", modality=modality, sha256=weights[1][1])
        spec, places = prepared(weights, "aligned_pathway", auxiliary=modality, auxiliary_weights=reference)
        feed = memory_feed(spec, splits, Share())
        compared = probe.tokens_to_compare(spec, models[0], feed, places)
        assert models[0].tokenizer.training
        chosen = torch.cat([item["x"] for item in feed.some(probe.SAMPLES)])
        assert sorted(chosen.flatten(1).sum(1).tolist()) == pytest.approx(sorted(x.flatten(1).sum(1).tolist()))
        for tokens, model in ((compared.target, models[0]), (compared.auxiliary, models[number])):
            torch.testing.assert_close(torch.cat([part.values for part in tokens]), model.tokenizer.tokens(chosen).values)


def test_an_auxiliary_apart_is_that_of_own_apart_in_other_coordinates(weights):
    """The same file, moved: each matrix keeps its singular values."""
    plain, moved = joined(weights, "own_apart"), joined(weights, "aligned_apart")
    for name, weight in moved.items():
        assert not torch.equal(weight, plain[name])
        torch.testing.assert_close(torch.linalg.svdvals(weight), torch.linalg.svdvals(plain[name]), rtol=0, atol=1e-4)
    assert (METHODS["aligned_apart"].lineage, METHODS["own_apart"].lineage) == ("apart", "apart")


@pytest.mark.parametrize("kind", KINDS)
def test_the_control_of_an_auxiliary_apart_has_its_tokens_and_the_blocks_of_random_weights(kind, weights, models, splits):
    """By hand: the encoder that `random_auxiliary` draws, compared with the target on the tokens of both tokenizers."""
    spec, _ = prepared(weights, "aligned_apart_random", pathway=aligning(kind))
    feed = memory_feed(spec, splits, Share())
    samples = [item["x"] for item in feed.some(probe.SAMPLES)]
    tokens = [[model.tokenizer.eval().tokens(x) for x in samples] for model in models[:2]]
    drawn = random_encoder(MODEL, derived_seed(spec.seed, "random auxiliary"))
    with torch.no_grad():
        moved = aligned(drawn, models[0], kind, lambda: Probe(*tokens)).state_dict()
    mine = joined(weights, "aligned_apart_random", feed, pathway=aligning(kind))
    target_tokens = joined(weights, "aligned_random", feed, pathway=aligning(kind))
    for name, weight in mine.items():
        torch.testing.assert_close(weight, moved[f"{name}.weight"], rtol=0, atol=1e-6)
    same = all(torch.allclose(weight, target_tokens[name], atol=1e-6) for name, weight in mine.items())
    assert same == (kind == "weights"), "other tokens, another alignment"


def test_comparing_changes_no_tokenizer(tmp_path):
    """Point-MAE's has batch norm, which keeps statistics of what it sees in training."""
    form = PointInput(form="published", points=48, groups=8, neighbours=6)
    spec, places = prepared([(None, "0" * 64)] * 2, "aligned_random", modality="point", target="point", input=form)
    clouds = torch.rand(8, 48, 3, generator=torch.Generator().manual_seed(0))
    samples = Samples(clouds, torch.arange(8) % 2, ("a", "b"))
    spec = spec.model_copy(update={"finetune": spec.finetune.model_copy(update={"samples": "all"})})
    model = Model("point", form, MODEL, 2)
    before = {name: value.clone() for name, value in model.tokenizer.state_dict().items()}
    assert any("running_mean" in name for name in before)
    probe.tokens_to_compare(spec, model, memory_feed(spec, dict.fromkeys(("train", "val", "test"), samples), Share()), places)
    assert all(torch.equal(value, before[name]) for name, value in model.tokenizer.state_dict().items())


def test_every_process_compares_the_same_samples(weights, splits):
    spec, _ = prepared(weights, "aligned_pathway")
    feeds = [memory_feed(spec, splits, share) for share in (Share(), Share(rank=1, world=2))]
    one, two = (torch.cat([item["x"] for item in feed.some(7)]) for feed in feeds)
    assert len(one) == 7
    assert torch.equal(one, two)


def test_the_usual_alignment_is_not_part_of_an_identity(weights):
    spec, _ = prepared(weights, "aligned_pathway")
    assert "alignment" not in canonical(spec.model_dump(mode="json"))
    other, _ = prepared(weights, "aligned_pathway", pathway=aligning("linear"))
    assert '"alignment":"linear"' in canonical(other.model_dump(mode="json"))
