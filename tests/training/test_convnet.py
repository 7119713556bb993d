"""A ConvNet through the whole of a run: pretrained with labels from random weights, joined, merged, folded, loaded back."""

import copy

import pytest
import torch

from m2pt.config import ImageInput, LabelPretrain, ModelConfig, PathwayConfig, RivalsConfig, UserError
from m2pt.inference.trained import trained
from m2pt.methods import METHODS
from m2pt.models.model import Model, fresh
from m2pt.runs.folder import ENCODER, MERGED, create_run
from m2pt.runs.identity import run_id
from m2pt.runs.record import write_record
from m2pt.runs.spec import WeightsRef
from m2pt.training.encoders import auxiliaries
from m2pt.training.finetune import build, finetune, memory_feed
from m2pt.training.loop import Trainer
from m2pt.training.places import Places
from m2pt.training.pretrain import PretrainedEncoder, pretrain
from m2pt.training.pretraining_steps import Course
from m2pt.training.stopwatch import Stopwatch
from m2pt.weights.reading import read_encoder
from m2pt.weights.saved import read_weights, save_weights
from tests.specs import MODEL, pretrain_spec, run_spec
from tests.training.test_finetune import make_samples

CONVNET = ModelConfig(family="unireplknet", width=16, stages=((3,), (7,)))
LAYERS = ("conv_dw", "se", "mlp.fc1", "mlp.fc2")


@pytest.fixture(scope="module")
def splits():
    return {"train": make_samples(80, 1), "val": make_samples(40, 2), "test": make_samples(40, 3)}


@pytest.fixture(scope="module")
def encoders(splits, tmp_path_factory):
    """Two encoders, each trained with labels from its own random weights: files with their hashes."""
    folder, made = tmp_path_factory.mktemp("encoders"), []
    for seed in (0, 1):
        recipe = LabelPretrain(steps=30, batch_size=16, warmup_steps=2, learning_rate=5e-3)
        spec = pretrain_spec(source="labels", seed=seed, model=CONVNET, pretrain=recipe)
        run_dir = create_run(folder, spec)
        record = pretrain(spec, {"pretrain": splits["train"], "val": splits["val"]}, None, Course(run_dir))
        path = folder / f"{seed}.safetensors"  # away from its spec, which says that it is of images
        path.write_bytes((run_dir / ENCODER).read_bytes())
        made.append((path, record.files[ENCODER], record.val_score))
    return made


def spec_for(encoders, method="pathway", **changes):
    (target, other) = (WeightsRef(source="labels", modality=name, sha256=made[1]) for name, made in
                       zip(("image", "audio"), encoders, strict=True))  # fmt: skip
    method_takes = METHODS[method].takes
    joined = None if METHODS[method].pathway is None else PathwayConfig(layers=LAYERS)
    given = {"target_weights": target, "auxiliary_weights": other if method_takes == "each" else None, "pathway": joined}
    names = {"each": "audio", "random": "random"}
    return run_spec(model=CONVNET, method=method, auxiliary=names.get(method_takes, ""), **(given | changes))


def places_of(encoders):
    return Places(encoders[0][0], (encoders[1][0],))


def run(spec, splits, encoders, folder):
    places = places_of(encoders)
    run_dir = create_run(folder, spec)
    record = finetune(spec, memory_feed(spec, splits, places.share), places, run_dir, Stopwatch())
    write_record(run_dir, record)
    return run_dir, record


def test_an_encoder_is_trained_with_labels_from_random_weights(encoders):
    assert min(score for *_, score in encoders) > 60
    first, second = (read_weights(path) for path, *_ in encoders)
    assert not torch.equal(first["blocks.0.conv_dw.weight"], second["blocks.0.conv_dw.weight"])
    assert "blocks.1.conv_dw.k5r1_norm.running_var" in first


@pytest.mark.parametrize("method", ["baseline", "pathway"])
def test_a_run_ends_with_a_plain_model_of_its_recorded_score(method, splits, encoders, tmp_path):
    spec = spec_for(encoders, method)
    run_dir, record = run(spec, splits, encoders, tmp_path)
    assert record.merge.max_logit_difference <= 1e-5
    assert record.merge.parameters == record.merge.plain_parameters == record.parameters < record.trainable_parameters
    assert all(value != 0 for value in record.scales.values())
    assert ("blocks.1.conv_dw.k3r3" in record.scales) == (method == "pathway")
    kept = read_weights(run_dir / MERGED)
    assert not any("norm" in name for name in kept if name.startswith("blocks.") and "downsample" not in name)
    model = trained(run_dir).model
    with torch.no_grad():
        right = model(splits["test"].x).argmax(1) == splits["test"].y
    assert 100 * float(right.float().mean()) == pytest.approx(record.test_score)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.needs and not method.lineage])
def test_every_method_that_is_not_refused_starts_trains_and_merges(method, splits, encoders):
    given = METHODS[method]
    if given.takes in ("all", "no_modality") or given.adds_what_was_learned:
        pytest.skip("takes encoders that this test does not make")
    spec = spec_for(encoders, method)
    if given.rivals:
        spec = spec.model_copy(update={"rivals": RivalsConfig()})
    places = places_of(encoders)
    feed = memory_feed(spec, splits, places.share)
    torch.manual_seed(0)
    model = build(spec, places, 4, feed=feed).train()
    model(splits["train"].x[:8]).square().mean().backward()
    if (merge := given.actions().merge) is not None:
        merge(model)
    assert model.state_dict().keys() == fresh(spec, 4).state_dict().keys()


def test_at_zero_a_joined_convnet_equals_its_target_bit_for_bit(splits, encoders):
    models = [build(spec_for(encoders, method), places_of(encoders), 4).eval() for method in ("baseline", "pathway")]
    with torch.no_grad():
        assert torch.equal(*(model(splits["test"].x) for model in models))


def test_files_of_other_blocks_are_told_by_name(encoders, tmp_path):
    torch.manual_seed(0)
    vit = Model("image", ImageInput(), MODEL, 4)
    path = tmp_path / "vit.safetensors"
    save_weights(path, PretrainedEncoder(vit.tokenizer, vit.blocks, vit.fc_norm))
    with pytest.raises(
        UserError, match=r"is an encoder of this project, which is not among m2pt-unireplknet, the layouts of this"
    ):
        read_encoder(path, "image", ImageInput(), CONVNET)
    with pytest.raises(
        UserError, match=r"is a UniRepLKNet of this project, which is not among .*, the layouts of this model\.family"
    ):
        read_encoder(encoders[0][0], "image", ImageInput(), MODEL)
    other = CONVNET.model_copy(update={"stages": ((3,), (9,))})
    with pytest.raises(UserError, match=r"does not fit the encoder of this study.*missing blocks\.1\.conv_dw\.k3r4"):
        read_encoder(encoders[0][0], "image", ImageInput(), other)


def test_a_random_auxiliary_is_drawn_for_the_family(encoders):
    spec = spec_for(encoders).model_copy(update={"auxiliary_weights": None})
    (one,), (two,) = (auxiliaries(spec, (), []) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), two.parameters(), strict=True))
    assert run_id(spec) != run_id(spec.model_copy(update={"model": copy.deepcopy(MODEL)}))


def statistics(model):
    return {name: tensor.clone() for name, tensor in model.blocks.state_dict().items() if "running" in name}


@pytest.mark.parametrize(
    ("method", "tuning", "still"),
    [
        ("baseline", "full", False), ("baseline", "fix", True), ("pathway", "full", False), ("pathway", "fix", True),
        ("frozen_encoder", "full", True), ("lora", "full", True),
    ],
)  # fmt: skip
def test_what_is_frozen_computes_the_same_function_after_training(method, tuning, still, splits, encoders):
    spec = spec_for(encoders, method, tuning=tuning)
    if METHODS[method].rivals:
        pytest.importorskip("peft")
        spec = spec.model_copy(update={"rivals": RivalsConfig()})
    feed = memory_feed(spec, splits, places_of(encoders).share)
    model = build(spec, places_of(encoders), 4, feed=feed)
    before, trainer = statistics(model), Trainer(spec, model, feed, torch.device("cpu"))
    list(trainer.epoch())
    assert all(torch.equal(before[name], after) == still for name, after in statistics(model).items())
    assert model.training and all(part.training for part in model.tokenizer.modules())


@pytest.mark.parametrize(("method", "share"), [("interpolation", 0.1), ("mlp_start", 1.0), ("auxiliary_start", 1.0)])
def test_statistics_come_with_the_weights_that_they_are_of(method, share, encoders):
    spec = spec_for(encoders, method).model_copy(update={"rivals": RivalsConfig(mix=0.1)})
    own, other = (read_weights(path) for path, *_ in encoders)
    model = build(spec, places_of(encoders), 4)
    for name in ("blocks.1.mlp.norm.running_var", "blocks.1.mlp.norm.running_mean", "blocks.1.mlp.fc2.weight"):
        assert not torch.equal(own[name], other[name])
        torch.testing.assert_close(model.state_dict()[name], own[name] + share * (other[name] - own[name]))
