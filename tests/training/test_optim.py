"""Who learns how fast: parameter groups and schedules."""

import math

import pytest
import torch

from m2pt import pathway
from m2pt.config import FinetuneConfig, ImageInput, PathwayConfig
from m2pt.encoder import Encoder
from m2pt.model import Model
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
    members = [id(parameter) for group in parameter_groups(model, 0.05, 30.0, 0.65) for parameter in group["params"]]
    assert sorted(members) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)


def test_layer_decay_slows_lower_layers_and_never_the_scales():
    model = joined()
    groups = parameter_groups(model, 0.05, scale_lr_multiple=2.0, layer_decay=0.5)
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


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_the_schedule_warms_up_then_decays_to_the_last_rate(decay):
    recipe = FinetuneConfig(
        epochs=10,
        batch_size=64,
        learning_rate=4e-3,
        learning_rate_per=256,
        warmup_epochs=2,
        final_learning_rate=1e-5,
        decay=decay,
    )
    optimizer, schedule = build_optimizer(torch.nn.Linear(2, 2), recipe, num_steps=100)
    rates = []
    for step in range(100):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == 0
    assert rates[10] == pytest.approx(0.5e-3)
    assert rates[20] == max(rates) == pytest.approx(1e-3)
    half = 0.5 * (1 + math.cos(math.pi * 40 / 80)) if decay == "cosine" else 1 - 40 / 80
    assert rates[60] == pytest.approx(1e-5 + (1e-3 - 1e-5) * half)
    assert 1e-5 < rates[99] < 5e-5


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
        schedule.step_update(step)
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
    schedule.step_update(0)
    assert rates(optimizer, model) == {"learning_rate": 1e-3}
    linear = torch.nn.Linear(2, 2)
    assert rates(build_optimizer(linear, FinetuneConfig(learning_rate=0.5), 5)[0], linear) == {"learning_rate": 0.0}


def test_lars_scales_a_matrix_by_its_norm_and_a_scale_not():
    torch.manual_seed(0)
    model = joined()
    freeze_for("fix", model)
    recipe = FinetuneConfig(optimizer="lars", weight_decay=0.0, learning_rate=0.1, warmup_steps=0)
    optimizer, schedule = build_optimizer(model, recipe, 10, PathwayConfig(scale_lr_multiple=1.0))
    schedule.step_update(0)
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
