"""Sums that a step computes once: the same numbers as those of a layer that adds up its weights at each pass, for fewer calls."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from benchmarks.measuring.fixtures import model_of, samples_of
from m2pt.config import FinetuneConfig
from m2pt.joining.joined import PathwayWeight
from m2pt.joining.sums import summed_layers, summed_once
from m2pt.pathway import attach, auxiliary_weights, scales
from m2pt.training.feeds import MemoryFeed
from m2pt.training.loop import Trainer
from m2pt.training.share import Share
from tests.specs import run_spec
from tests.test_pathway import images, vit

FORMS = {
    "trainable": {},
    "frozen auxiliary": {"auxiliary_trainable": False},
    "fixed scale": {"scale_trainable": False},
    "block": {"granularity": "block"},
    "head": {"granularity": "head"},
    "channel": {"granularity": "channel", "auxiliary_trainable": False},
    "some layers": {"layers": ("attn.qkv", "mlp.fc2")},
    "two branches": {"branches": True},
}


class Calls(TorchDispatchMode):
    """Counts what torch is asked to do."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def joined(auxiliaries=1, width=24, depth=2, **options) -> nn.Module:
    model = vit(depth=depth, seed=1)
    others = [vit(depth=depth, seed=2 + number, width=width) for number in range(auxiliaries)]
    attach(model, others, scale_init=0.3, **options)
    return model.float()


def gradients(model, parts=1, once=True, dtype=None, half=None, again=False) -> dict[str, torch.Tensor]:
    """Those of a step; `dtype` is that of its products and its sums, `half` that of its products alone."""
    model, half = copy.deepcopy(model), half or dtype
    layers = summed_layers(model) if once else []
    with summed_once(layers, dtype):
        for x in images().float().chunk(parts):
            with torch.autocast("cpu", dtype=half or torch.bfloat16, enabled=half is not None):
                outputs = checkpoint(model, x, use_reentrant=False) if again else model(x)
            outputs.square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert ours
    for name, gradient in theirs.items():
        assert torch.equal(ours[name], gradient), name
        assert ours[name].dtype == gradient.dtype


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_in_one_part_all_gradients_are_those_of_the_formula_bit_for_bit(form, dtype):
    model = joined(**FORMS[form])
    assert_same(gradients(model, dtype=dtype), gradients(model, once=False, dtype=dtype))


@pytest.mark.parametrize("options", [{"auxiliaries": 2}, {"width": 36, "projected": True, "layers": ("attn.qkv", "mlp.fc1")}])
def test_sums_without_a_closed_form_have_the_same_gradients_too(options):
    model = joined(**options)
    assert_same(gradients(model), gradients(model, once=False))


def test_weights_that_do_not_learn_get_no_gradient():
    model = joined()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("join.scales" in name)
    ours = gradients(model)
    assert_same(ours, gradients(model, once=False))
    assert len(ours) == len(scales(model))


def test_a_pass_that_is_computed_again_for_its_gradient_uses_the_same_sums():
    model = joined()
    assert_same(gradients(model, again=True), gradients(model, once=False))


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_gradients_of_parts_add_up(dtype):
    model = joined()
    theirs = gradients(model, parts=3, once=False, half=dtype)
    for name, ours in gradients(model, parts=3, half=dtype).items():
        torch.testing.assert_close(ours, theirs[name], rtol=1e-5, atol=1e-5 * float(theirs[name].abs().max()))


def test_weights_are_added_up_once_for_all_parts_of_a_step():
    model, plain = joined(), vit(seed=1).float()
    counted = {}
    for parts, (name, one) in itertools.product((1, 3), (("joined", model), ("plain", plain))):
        one.zero_grad()
        with Calls() as calls, summed_once(summed_layers(one)):
            for x in images().float().chunk(parts):
                one(x).square().sum().backward()
        counted[name, parts] = calls.count
    added = [counted["joined", parts] - counted["plain", parts] for parts in (1, 3)]
    assert added[0] <= 4 * len(summed_layers(model))
    assert added[1] == added[0]


def test_gradients_are_added_to_those_that_are_there():
    model = joined()
    theirs = copy.deepcopy(model)
    for one, layers in ((model, summed_layers(model)), (theirs, [])):
        for _ in range(2):
            with summed_once(layers):
                one(images().float()).square().sum().backward()
    for (name, ours), other in zip(model.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours.grad, other.grad), name


def test_after_an_error_the_layers_compute_as_before_and_nothing_is_handed_on():
    model = joined()
    with pytest.raises(KeyboardInterrupt), summed_once(summed_layers(model)):
        model(images().float()).sum().backward()
        raise KeyboardInterrupt
    assert all(parameter.grad is None for parameter in auxiliary_weights(model).values())
    before = model(images().float())
    with torch.no_grad():
        for scale in scales(model).values():
            scale.zero_()
    assert not torch.equal(model(images().float()), before)
    copy.deepcopy(model)


def test_the_weight_that_a_layer_shows_is_the_sum_in_use():
    model = joined()
    layer = summed_layers(model)[0]
    expected = layer.own + layer.join.scales[0] * layer.join.auxiliaries[0]
    with summed_once([layer]):
        assert torch.equal(layer.weight, expected)
        with torch.no_grad():
            layer.own.add_(1.0)
        assert torch.equal(layer.weight, expected)
    torch.testing.assert_close(layer.weight, expected + 1.0)


@pytest.mark.parametrize(("micro_batch", "compiled"), [(None, False), (5, False), (None, True)])
def test_the_trainer_adds_up_weights_once_a_step_unless_the_step_is_compiled(micro_batch, compiled, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda model: model)  # what it makes of a model is not the question here
    spec = run_spec(
        setting="scratch",
        target_weights=None,
        finetune=FinetuneConfig(epochs=1, batch_size=12, warmup_steps=0, compiled=compiled),
    )
    given = samples_of(spec.input, 24, seed=0)
    trainer = Trainer(
        spec, model_of(spec, "trainable"), MemoryFeed(spec, given, {}, Share()), torch.device("cpu"), micro_batch=micro_batch
    )
    seen = []
    forward = PathwayWeight.forward
    monkeypatch.setattr(PathwayWeight, "forward", lambda join, weight: seen.append(join) or forward(join, weight))
    before = {name: scale.item() for name, scale in scales(trainer.model).items()}
    next(iter(trainer.epoch()))
    assert bool(seen) is compiled
    assert all(scale.item() != before[name] for name, scale in scales(trainer.model).items())


def test_without_memory_for_the_sums_the_layers_compute_as_before(monkeypatch):
    def fails(held, wanted, once=torch.Tensor.requires_grad_):
        if layers[2].join.held is not None:
            raise torch.OutOfMemoryError("no memory")
        return once(held, wanted)

    model = joined()
    layers = summed_layers(model)
    monkeypatch.setattr(torch.Tensor, "requires_grad_", fails)
    with pytest.raises(torch.OutOfMemoryError), summed_once(layers):
        pass
    assert all(layer.join.held is None for layer in layers)
