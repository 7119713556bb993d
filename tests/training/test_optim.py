"""Who learns how fast: parameter groups and the rates that are logged."""

import math

import pytest
import torch

from m2pt import pathway
from m2pt.config import FinetuneConfig, ImageInput, PathwayConfig, PointInput
from m2pt.modalities.point.recipes import RECIPES
from m2pt.models.encoder import Encoder
from m2pt.models.model import Model
from m2pt.training.optim import build_optimizer, freeze_for, parameter_groups, rates
from tests.specs import MODEL

PUBLISHED = ImageInput(form="published", size=16, patch=8)


def joined():
    model = Model("image", PUBLISHED, MODEL, 4)
    pathway.attach(model, Encoder(MODEL))
    return model


def of(groups, parameter):
    (group,) = [group for group in groups if any(parameter is member for member in group["params"])]
    return group["lr_scale"], group["weight_decay"]


def test_every_trainable_parameter_is_in_exactly_one_group():
    model = joined()
    members = [
        id(parameter) for group in parameter_groups(model, FinetuneConfig(layer_decay=0.65)) for parameter in group["params"]
    ]
    assert sorted(members) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)


def test_layer_decay_slows_lower_layers_and_never_the_scales():
    model = joined()
    groups = parameter_groups(model, FinetuneConfig(layer_decay=0.5), PathwayConfig(scale_lr_multiple=2.0))
    weight = model.blocks[0].mlp.fc1.own
    assert of(groups, model.head.weight) == (1.0, 0.05)
    assert of(groups, model.blocks[1].mlp.fc2.bias) == (0.5, 0.0)
    assert of(groups, weight) == (0.25, 0.05)
    assert of(groups, model.tokenizer.projection.weight) == (0.125, 0.05)
    assert of(groups, model.tokenizer.positions) == (0.125, 0.0)
    for scale in pathway.scales(model).values():
        assert of(groups, scale) == (2.0, 0.0)
    for name, auxiliary in pathway.auxiliary_weights(model).items():
        assert of(groups, auxiliary) == (0.25 if name.startswith("blocks.0") else 0.5, 0.0)


def released_groups(model, weight_decay, layer_decay, undecayed):
    """(lr_scale, weight decay) of each parameter as the releases group them, over the names and shapes that theirs have.

    MAE's param_groups_lrd, AudioMAE's and VideoMAE's alike: no decay for vectors and for the names listed; the layer is read off
    the name, so a scale of shape (1,) and the auxiliary weight beside it lie in their block.
    """
    depth = len(model.blocks)
    found = {}
    for name, parameter in model.named_parameters():
        scale, auxiliary = ".scales." in name, ".auxiliaries." in name
        place = name.rpartition(".")[2]
        shape = (1,) if scale else (1, 1, 24) if place == "class_token" else tuple(parameter.shape)
        first = name.partition(".")[0]
        layer = 0 if first == "tokenizer" else int(name.split(".")[1]) + 1 if first == "blocks" else depth + 1
        decayed = len(shape) > 1 and place not in undecayed
        assert not (auxiliary and not decayed)
        found[name] = (layer_decay ** (depth + 1 - layer), weight_decay if decayed else 0.0)
    return found


@pytest.mark.parametrize("undecayed", [("class_token", "class_position", "positions"), ()], ids=["mae", "mmsegmentation"])
def test_two_keys_switch_to_the_released_groups(undecayed):
    """Auxiliary weights are decayed, and a scale learns as slowly as its block."""
    model = joined()
    recipe = FinetuneConfig(layer_decay=0.65, weight_decay=0.05, undecayed=undecayed)
    switched = PathwayConfig(scale_lr_multiple=1.0, auxiliary_decay=True, scale_layer_decay=True)
    groups, parameters = parameter_groups(model, recipe, switched), dict(model.named_parameters())
    for name, expected in released_groups(model, 0.05, 0.65, undecayed).items():
        assert of(groups, parameters[name]) == pytest.approx(expected), name
    ours = parameter_groups(model, recipe, PathwayConfig(scale_lr_multiple=1.0))
    for name, expected in released_groups(model, 0.05, 0.65, undecayed).items():
        differs = of(ours, parameters[name]) != pytest.approx(expected)
        assert differs == (".scales." in name or ".auxiliaries." in name), name


def test_the_scales_of_the_first_of_twelve_blocks_have_0_0057_of_the_rate():
    deep = MODEL.model_copy(update={"depth": 12})
    model = Model("image", PUBLISHED, deep, 4)
    pathway.attach(model, Encoder(deep))
    groups = parameter_groups(
        model, FinetuneConfig(layer_decay=0.65), PathwayConfig(scale_lr_multiple=1.0, scale_layer_decay=True)
    )
    assert of(groups, pathway.scales(model)["blocks.0.mlp.fc1"])[0] == pytest.approx(0.0057, abs=5e-5)


def test_point_maes_class_position_is_decayed_and_its_class_token_is_not():
    """Point-MAE spares vectors, biases and what has `token` in its name; its `cls_pos` is a (1, 1, D) without that."""
    recipe = RECIPES["point-mae-modelnet40"].finetune
    model = Model("point", PointInput(form="published", points=32, groups=4, neighbours=4), MODEL, 4, head="class_and_max")
    groups = parameter_groups(model, recipe)
    assert of(groups, model.tokenizer.class_position) == (1.0, 0.05)
    assert of(groups, model.tokenizer.class_token) == (1.0, 0.0)


def plain_schedule(recipe, peak, step, steps, warmup):
    """The rate of a step, as MAE defines it: linear from 0, then half a cosine (or a line) from the peak to the last rate."""
    if step < warmup:
        return peak * step / warmup
    done = (step - warmup) / (steps - warmup)
    left = 0.5 * (1 + math.cos(math.pi * done)) if recipe.decay == "cosine" else 1 - done
    return recipe.final_learning_rate + (peak - recipe.final_learning_rate) * left


@pytest.mark.parametrize("tuning", ["full", "fix"])
@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_logged_rates_are_what_their_names_say(decay, optimizer, tuning):
    """At the peak the declared 1e-3 is logged as 1e-3, under layer decay, frozen weights and any multiple of the scales."""
    model = joined()
    freeze_for(tuning, model)
    decay_of = {"weight_decay": 0.0} if optimizer == "lars" else {"layer_decay": 0.65, "weight_decay": 0.05}
    recipe = FinetuneConfig(
        optimizer=optimizer, decay=decay, learning_rate=1e-3, warmup_steps=4, final_learning_rate=1e-6, **decay_of
    )
    built, schedule = build_optimizer(model, recipe, 20, PathwayConfig(scale_lr_multiple=30.0))
    scale = next(iter(pathway.scales(model).values()))
    for step in range(20):
        schedule.apply(built, step)
        logged, expected = rates(built, model), plain_schedule(recipe, 1e-3, step, 20, 4)
        assert logged["learning_rate"] == pytest.approx(expected, rel=1e-12)
        # Beside LARS, whose rates presume its trust ratio, the scales' peak is 1e-3 times their multiple.
        assert logged["scale_learning_rate"] == pytest.approx(30 * expected * (1e-3 / 1e-3), rel=1e-12)
        if step == 4:
            assert logged["learning_rate"] == 1e-3
    assert set(logged) == {"learning_rate", "scale_learning_rate"}
    before = scale.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    built.step()
    # The first step of both optimizers moves a single undecayed number by its rate.
    assert float(before - scale.detach()) == pytest.approx(logged["scale_learning_rate"], rel=1e-4)


def test_rates_without_trained_scales_and_of_a_plain_module():
    model = joined()
    for scale in pathway.scales(model).values():
        scale.requires_grad_(False)
    optimizer, schedule = build_optimizer(model, FinetuneConfig(warmup_steps=0), 5)
    schedule.apply(optimizer, 0)
    assert rates(optimizer, model) == {"learning_rate": 1e-3}
    linear = torch.nn.Linear(2, 2)
    optimizer, schedule = build_optimizer(linear, FinetuneConfig(learning_rate=0.5), 5)
    schedule.apply(optimizer, 0)
    assert rates(optimizer, linear) == {"learning_rate": 0.0}


def test_lars_scales_a_matrix_by_its_norm_and_a_scale_not():
    torch.manual_seed(0)
    model = joined()
    freeze_for("fix", model)
    recipe = FinetuneConfig(optimizer="lars", weight_decay=0.0, learning_rate=0.1, warmup_steps=0)
    optimizer, schedule = build_optimizer(model, recipe, 10, PathwayConfig(scale_lr_multiple=1.0))
    schedule.apply(optimizer, 0)
    before = model.head.weight.detach().clone()
    scale = next(iter(pathway.scales(model).values()))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 3.0) if parameter.requires_grad else None
    optimizer.step()
    # LARS (arXiv 1708.03888): step = rate * trust * ||w|| / ||g|| * g, with the trust coefficient 0.001.
    gradient = torch.full_like(before, 3.0)
    expected = before - 0.1 * 0.001 * before.norm() / gradient.norm() * gradient
    assert torch.allclose(model.head.weight, expected, atol=1e-7)
    assert float(scale.detach()) == pytest.approx(-1e-3 * 3.0)


def test_scales_with_rates_of_their_own_are_logged_one_by_one():
    model = joined()
    recipe = FinetuneConfig(layer_decay=0.5, warmup_steps=0)
    optimizer, schedule = build_optimizer(model, recipe, 5, PathwayConfig(scale_lr_multiple=4.0, scale_layer_decay=True))
    schedule.apply(optimizer, 0)
    logged = rates(optimizer, model)
    assert logged.pop("learning_rate") == 1e-3
    assert set(logged) == {f"scale_learning_rate/{name}" for name in pathway.scales(model)}
    assert logged["scale_learning_rate/blocks.0.attn.qkv"] == pytest.approx(4e-3 * 0.25)
    assert logged["scale_learning_rate/blocks.1.mlp.fc2"] == pytest.approx(4e-3 * 0.5)
