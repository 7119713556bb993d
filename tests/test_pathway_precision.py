"""Auxiliary weights that are fixed, kept in bf16: the numbers of weights that were rounded once, for half the memory."""

import copy

import pytest
import torch
from torch import nn

from m2pt.config import PathwayConfig
from m2pt.joining.joined import JoinedLayer
from m2pt.joining.sums import summed_layers, summed_once
from m2pt.methods import METHODS
from m2pt.models.encoder import random_encoder
from m2pt.models.model import fresh
from m2pt.pathway import PathwayError, attach, auxiliary_weights, effective_sizes, merge, scales
from m2pt.runs.unread import unread_whatever_the_method
from tests.specs import run_spec
from tests.test_pathway import images, vit

FORMS = {
    "layer": {},
    "head": {"granularity": "head"},
    "channel": {"granularity": "channel"},
    "branches": {"branches": True},
    "two auxiliaries": {"count": 2},
}


def rounded(model: nn.Module) -> nn.Module:
    """The definition: every weight to the nearest bf16, as float32."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.bfloat16().float())
    return model


def pair(count=1, **options) -> tuple[nn.Module, nn.Module]:
    """A target that keeps its auxiliaries in bf16, and one whose auxiliaries were rounded beforehand."""
    kept, plain = vit(depth=2, seed=1).float(), vit(depth=2, seed=1).float()
    others = [vit(depth=2, seed=2 + number).float() for number in range(count)]
    attach(kept, others, scale_init=0.3, auxiliary_trainable=False, auxiliary_dtype=torch.bfloat16, **options)
    attach(plain, [rounded(copy.deepcopy(other)) for other in others], scale_init=0.3, auxiliary_trainable=False, **options)
    return kept, plain


def learned(model: nn.Module, once: bool, half: bool) -> dict[str, torch.Tensor]:
    """The gradients of a step."""
    layers = summed_layers(model) if once else []
    with summed_once(layers, torch.bfloat16 if half else None), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        model(images().float()).float().square().sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("once", [False, True], ids=["each pass", "once"])
@pytest.mark.parametrize("form", FORMS)
def test_a_step_is_that_of_weights_rounded_once_bit_for_bit(form, once, half):
    kept, plain = pair(**FORMS[form])
    assert {weight.dtype for weight in auxiliary_weights(kept).values()} == {torch.bfloat16}
    first, second = learned(kept, once, half), learned(plain, once, half)
    assert first.keys() == second.keys() and scales(kept)
    for name, gradient in first.items():
        assert gradient.dtype == torch.float32 and torch.equal(gradient, second[name]), name
    assert effective_sizes(kept) == effective_sizes(plain)


@pytest.mark.parametrize("form", FORMS)
def test_the_merge_is_that_of_weights_rounded_once_bit_for_bit(form):
    kept, plain = pair(**FORMS[form])
    again = copy.deepcopy(kept)
    again.load_state_dict(kept.state_dict())
    for model in (kept, plain, again):
        merge(model)
    for name, weight in plain.state_dict().items():
        assert torch.equal(kept.state_dict()[name], weight) and torch.equal(again.state_dict()[name], weight), name
        assert kept.state_dict()[name].dtype == torch.float32


def test_a_target_at_zero_is_unchanged_and_the_auxiliary_takes_half_the_memory():
    model, auxiliary = vit(depth=2, seed=1).float(), vit(depth=2, seed=2).float()
    before = model(images().float())
    attach(model, auxiliary, auxiliary_trainable=False, auxiliary_dtype=torch.bfloat16)
    assert torch.equal(model(images().float()), before)
    own = sum(part.own.nbytes for part in model.modules() if isinstance(part, JoinedLayer))
    assert 2 * sum(weight.nbytes for weight in auxiliary_weights(model).values()) == own


def test_weights_that_are_trained_are_not_kept_in_another_type():
    with pytest.raises(PathwayError, match=r"auxiliary_dtype: auxiliary weights that are trained are kept in the target's type"):
        attach(vit(depth=2, seed=1), vit(depth=2, seed=2), auxiliary_dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("tuning", "trainable", "kept"), [("full", False, "bf16"), ("fix", True, "bf16"), ("full", True, "fp32")]
)
def test_a_study_says_it_for_runs_that_do_not_train_the_auxiliary(tuning, trainable, kept):
    pathway = PathwayConfig(auxiliary_trainable=trainable, auxiliary_precision="bf16")
    spec = run_spec(method="pathway", auxiliary="audio", tuning=tuning, pathway=pathway)
    model = fresh(spec, 3)
    METHODS["pathway"].actions().apply(model, spec, [random_encoder(spec.model, seed=1)])
    types = {weight.dtype for weight in auxiliary_weights(model).values()}
    assert types == {torch.bfloat16 if kept == "bf16" else torch.float32}
    assert ("pathway.auxiliary_precision" in unread_whatever_the_method(spec)) == (kept == "fp32")
