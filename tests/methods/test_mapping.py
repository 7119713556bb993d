"""Auxiliaries of another size: they start as no change, are learned with the rest, and merge into a plain model."""

import copy
import json

import pytest
import torch
from safetensors.torch import save_file

from m2pt import pathway
from m2pt.config import ImageInput, MappingConfig, ModelConfig, PathwayConfig, UserError
from m2pt.config.study_file import parse_study
from m2pt.joining.projected import projections
from m2pt.methods import METHODS
from m2pt.methods.actions.mapping import of_depth
from m2pt.methods.actions.pathway import join, merge
from m2pt.methods.actions.random_auxiliary import join_random
from m2pt.models.costs import model_costs
from m2pt.models.encoder import random_encoder
from m2pt.models.model import Model, fresh
from m2pt.runs.identity import canonical
from m2pt.training.finetune import build
from m2pt.training.optim import parameter_groups
from m2pt.training.pretrain import PretrainedEncoder
from m2pt.training.startable import Known, Means, faults, refusal
from m2pt.weights.saved import save_weights
from pipelines.planning.grid import run_specs
from pipelines.planning.run_maker import Fingerprints
from tests.methods.test_methods import make_samples, prepared, run
from tests.specs import MODEL, run_spec

LARGER = ModelConfig(width=32, depth=3, heads=4, mlp_ratio=3.0)
SMALLER = ModelConfig(width=12, depth=1, heads=1)


def mapped(model=LARGER, depth="interpolate", **changes):
    return run_spec(pathway=PathwayConfig(mapping=MappingConfig(model=model, depth=depth)), **changes)


def target():
    torch.manual_seed(0)
    return Model("image", ImageInput(), MODEL, 4).double().eval()


def samples():
    return torch.randn(5, *ImageInput().sample_shape, generator=torch.Generator().manual_seed(1)).double()


@torch.no_grad()
@pytest.mark.parametrize("size", [LARGER, SMALLER])
def test_at_scale_zero_nothing_changes_and_the_merge_is_plain(size):
    spec, model, x = mapped(size), target(), samples()
    before = model(x)
    join(model, spec, [random_encoder(size, 3)])
    assert torch.equal(model(x), before)
    generator = torch.Generator().manual_seed(2)
    for scale in pathway.scales(model).values():
        scale.fill_(0.3)
    for matrix in projections(model):
        matrix.add_(torch.randn(matrix.shape, generator=generator, dtype=matrix.dtype) * 0.1)
    joined = model(x)
    assert not torch.allclose(joined, before)
    twin = copy.deepcopy(model)  # copies share nothing
    merge(model)
    torch.testing.assert_close(model(x), joined)
    assert torch.equal(twin(x), joined)
    plain = fresh(spec, 4).double().eval()
    plain.load_state_dict(model.state_dict())  # the very keys and shapes of the target
    torch.testing.assert_close(plain(x), joined)


@torch.no_grad()
def test_the_weight_is_the_product_that_the_documentation_says():
    model, auxiliary = target(), random_encoder(ModelConfig(width=32, depth=2, heads=4), 3).double()
    join(model, mapped(ModelConfig(width=32, depth=2, heads=4)), [auxiliary])
    own = {name: layer.own.clone() for name, layer in pathway._joined(model)}
    generator = torch.Generator().manual_seed(2)
    stream, attention, hidden = (torch.randn(*shape, generator=generator).double() for shape in ((24, 32), (24, 32), (96, 128)))
    places = {
        "attn.qkv": (None, stream),
        "attn.proj": (stream, attention),
        "mlp.fc1": (hidden, stream),
        "mlp.fc2": (stream, hidden),
    }
    for name, layer in pathway._joined(model):
        rows, columns = places[name.split(".", 2)[2]]
        layer.join.rows[0].copy_(attention if rows is None else rows)
        layer.join.columns[0].copy_(columns)
        layer.join.scales[0].fill_(0.5)
    for name, layer in pathway._joined(model):
        rows, columns = places[name.split(".", 2)[2]]
        weight = auxiliary.get_submodule(name).weight
        expected = (
            torch.cat([attention @ part @ columns.T for part in weight.chunk(3)]) if rows is None else rows @ weight @ columns.T
        )
        torch.testing.assert_close(layer.weight, own[name] + 0.5 * expected)
    assert len(projections(model)) == 3


@torch.no_grad()
def test_an_auxiliary_of_the_same_size_is_joined_as_ever():
    plain, through = target(), target()
    auxiliary = random_encoder(MODEL, 3)
    join(plain, run_spec(), [auxiliary])
    join(through, mapped(MODEL), [auxiliary])
    assert plain.state_dict().keys() == through.state_dict().keys()
    assert projections(through) == []
    deeper = target()
    join(deeper, mapped(MODEL.model_copy(update={"depth": 5})), [random_encoder(MODEL.model_copy(update={"depth": 5}), 3)])
    assert projections(deeper) == []  # depth alone needs no projection


def test_blocks_between_blocks_and_the_nearest_ones():
    encoder = random_encoder(ModelConfig(width=8, depth=3, heads=2), 3)
    weights = [block.mlp.fc1.weight for block in encoder.blocks]

    def taken(depth, how):
        mapping = MappingConfig(model=ModelConfig(width=8, depth=3, heads=2), depth=how)
        return [block.mlp.fc1.weight for block in of_depth(encoder, depth, mapping).blocks]

    five = taken(5, "interpolate")
    for index, expected in enumerate([weights[0], (weights[0] + weights[1]) / 2, weights[1], (weights[1] + weights[2]) / 2]):
        torch.testing.assert_close(five[index], expected)
    torch.testing.assert_close(five[4], weights[2])
    assert [next(i for i, one in enumerate(weights) if torch.equal(one, weight)) for weight in taken(2, "select")] == [0, 2]
    assert [next(i for i, one in enumerate(weights) if torch.equal(one, weight)) for weight in taken(6, "select")] == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    torch.testing.assert_close(taken(1, "interpolate")[0], weights[0])


def test_the_control_draws_an_auxiliary_of_that_size_through_the_same_mapping():
    spec, model = mapped(method="random_auxiliary", auxiliary="random", auxiliary_weights=None), target()
    join_random(model, spec, [])
    (first, *_) = pathway.auxiliary_weights(model).values()
    assert first.shape == (3 * LARGER.width, LARGER.width)
    assert len(projections(model)) == 3


def test_projections_are_trained_like_auxiliary_weights_whatever_the_depth():
    spec, model = mapped(), target()
    join(model, spec, [random_encoder(LARGER, 3)])
    recipe = spec.finetune.model_copy(update={"layer_decay": 0.5, "weight_decay": 0.1})
    ours = {id(matrix) for matrix in projections(model)}
    groups = [
        group for group in parameter_groups(model, recipe, spec.pathway) if any(id(each) in ours for each in group["params"])
    ]
    assert {(group["weight_decay"], group["lr_scale"]) for group in groups} == {(0.0, 1.0)}
    assert sum(id(each) in ours for group in groups for each in group["params"]) == 3


def test_costs_count_what_is_trained_beside():
    spec, model = mapped(LARGER.model_copy(update={"depth": MODEL.depth})), target()
    join(model, spec, [random_encoder(spec.auxiliary_model, 3)])
    costs = model_costs("image", ImageInput(), MODEL, "mean", 4, pathway=spec.pathway, tuning="full")
    assert costs.parameters_in_training == sum(parameter.numel() for parameter in model.parameters())
    plain = model_costs("image", ImageInput(), MODEL, "mean", 4, pathway=PathwayConfig(), tuning="full")
    assert costs.joining_flops > plain.joining_flops
    assert costs.parameters == plain.parameters


STUDY = """
study: photos
model: {width: 24, depth: 2, heads: 2}
encoders: {theirs: {kind: file, paths: {audio: audio.safetensors}}}
pathway: {mapping: {model: {width: 32, depth: 3, heads: 4, mlp_ratio: 3.0}}}
sweep: {seeds: [0], targets: [image], auxiliaries: [audio], methods: [baseline, pathway, random_auxiliary, target_copy],
        target_encoder: random, auxiliary_encoder: theirs}
"""


def test_a_study_declares_it_and_methods_that_take_no_auxiliary_have_none():
    specs = {spec.method: spec for spec in run_specs(parse_study(STUDY, "s.yaml"), Fingerprints({"image": "d"}, {}))}
    assert specs["pathway"].auxiliary_model == specs["random_auxiliary"].auxiliary_model == LARGER
    assert specs["baseline"].auxiliary_model == MODEL
    assert specs["target_copy"].pathway.mapping is None
    assert METHODS["pathway"].control == "random_auxiliary"
    assert "mapping" not in canonical(json.loads(run_spec().model_dump_json()))  # runs without it keep their ids


def test_what_does_not_fit_is_refused_with_the_way_out(tmp_path):
    fixed = refusal(mapped(tuning="fix"), Means())
    assert "pathway.mapping: its projections are learned, and fix tuning trains only the scales and the head" in fixed
    convnet = ModelConfig(family="unireplknet", width=32)
    both = [*faults(mapped().model_copy(update={"model": convnet}), Means(), Known()), *faults(mapped(convnet), Means(), Known())]
    assert any("is for encoders of the family vit, and model.family is unireplknet" in fault for fault in both)
    assert any("pathway.mapping.model.family: is unireplknet, but only" in fault for fault in both)
    model = target()
    with pytest.raises(pathway.PathwayError, match="the weight of auxiliary 0 is"):
        pathway.attach(model, random_encoder(ModelConfig(width=32, depth=2, heads=2), 0), layers=pathway.JOINABLE)
    from m2pt.weights.reading import read_encoder

    save_file(random_encoder(ModelConfig(width=128, depth=2, heads=2), 0).state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(
        UserError, match=r"model\.width is 24; set it to 128 or name another file, or map auxiliaries to the target's"
    ):
        read_encoder(tmp_path / "vit.safetensors", "image", None, MODEL, parts="blocks")


@pytest.mark.parametrize("method", ["pathway", "random_auxiliary", "shuffled_auxiliary", "all_auxiliaries"])
def test_a_run_trains_its_projections_and_merges_them(method, tmp_path):
    torch.manual_seed(5)
    target = Model("image", ImageInput(), MODEL, 4)
    weights = [(tmp_path / "target.safetensors", save_weights(tmp_path / "target.safetensors", as_encoder(target)))]
    for number in range(3):
        other, path = Model("image", ImageInput(), LARGER, 4), tmp_path / f"{number}.safetensors"
        weights.append((path, save_weights(path, as_encoder(other))))
    joined = PathwayConfig(mapping=MappingConfig(model=LARGER), scale_lr_multiple=10.0)
    spec, places = prepared(weights, method, pathway=joined)
    splits = {name: make_samples(40, seed) for seed, name in enumerate(("train", "val", "test"))}
    before = build(spec, places, 4)
    record, _ = run(spec, places, splits, tmp_path / "runs")
    assert record.merge.max_logit_difference < 1e-4
    assert record.merge.parameters == record.merge.plain_parameters == record.parameters
    assert record.trainable_parameters == sum(parameter.numel() for parameter in before.parameters())
    assert record.scale_abs_max > 0


def as_encoder(model):
    return PretrainedEncoder(model.tokenizer, model.blocks, model.fc_norm)
