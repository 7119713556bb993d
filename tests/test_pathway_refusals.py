"""What a pathway refuses, with nothing joined: options that it does not know, and models that are none."""

import copy

import pytest
import torch
from torch import nn

from m2pt.pathway import JOINABLE, PathwayError, attach, auxiliary_weights, effective_sizes, merge, scales
from tests.test_pathway import images, vit


def other():
    return vit(seed=2)


class Renamed(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def without_heads():
    model = vit(seed=2)
    for block in model.blocks:
        del block.attn.num_heads
    return model


def spoilt(value):
    model = vit(seed=2)
    with torch.no_grad():
        model.blocks[1].mlp.fc1.weight[2, 3] = value
    return model


class Doubling(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def subclassed():
    model = vit(seed=2)
    model.blocks[0].mlp.fc1 = Doubling(24, 96).double()
    return model


def normed():
    model = vit(seed=2)
    nn.utils.parametrizations.weight_norm(model.blocks[0].mlp.fc1)
    return model


def hooked():
    model = vit(seed=2)
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(model.blocks[0].mlp.fc1)
    return model


def joined():
    model = vit(seed=2)
    attach(model, vit(seed=3))
    return model


OPTIONS = [
    ({"granularity": "heads"}, "granularity: 'heads' is unknown; use one of layer, block, head, channel"),
    ({"granularity": None}, "granularity: None is unknown"),
    ({"order": "reverse"}, "order: 'reverse' is unknown; use one of normal, reversed, shuffled"),
    ({"layers": "attn.qkv"}, r"layers: 'attn.qkv' is a single string"),
    ({"layers": ()}, "must name at least one layer"),
    ({"layers": ("attn.qkv", "attn.qkv")}, "must name at least one layer, and none twice"),
    ({"layers": ("attn.kqv",)}, r"a block \(Block\) has no layer 'attn\.kqv'; its layers are attn\.qkv, attn\.proj, mlp\.fc1"),
    ({"layers": ("norm1",)}, "norm1 is a LayerNorm, not a linear layer"),
    ({"layers": ("mlp", "mlp.fc1")}, r"mlp\.fc1 and another name both mean mlp\.fc1"),
    ({"layers": ("mlp",), "granularity": "head"}, "scales per head are only defined for attn.qkv"),
    ({"scale_init": float("nan")}, "scale_init: nan is not a finite number"),
    ({"scale_init": float("inf")}, "scale_init: inf is not a finite number"),
    ({"scale_init": True}, "scale_init: True is not a finite number"),
    ({"scale_init": "0"}, "scale_init: '0' is not a finite number"),
    ({"order": "shuffled", "order_seed": 0.5}, "order_seed: 0.5 is not a whole number"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_options_that_are_not_known(options, message):
    target = vit()
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(PathwayError, match=message):
        attach(target, other(), **options)
    assert target.state_dict().keys() == before.keys()


MODELS = [
    (lambda: nn.Linear(2, 2), "Linear has no `blocks`"),
    (lambda: Renamed(blocks=nn.ModuleList()), "Renamed has no `blocks`"),
    (lambda: Renamed(blocks="twelve"), "Renamed has no `blocks`"),
    (lambda: Renamed(blocks=nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])), "blocks of Renamed have no linear layer"),
    (without_heads, r"blocks\.0: auxiliary 0 has (no heads, the target 3|3 heads, the target no)"),
    (subclassed, r"mlp.fc1 is a Doubling, not a linear layer"),
    (normed, r"mlp.fc1 is a ParametrizedLinear, not a linear layer"),
    (hooked, r"mlp.fc1 is a Linear, not a linear layer or a convolution with a plain weight"),
    (joined, "already has a pathway"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), MODELS)
def test_models_that_cannot_be_joined_on_either_side(make, message):
    with pytest.raises(PathwayError, match=message):
        attach(make(), other())
    target = vit()
    with pytest.raises(PathwayError, match=message):
        attach(target, make())
    assert not scales(target)


@pytest.mark.parametrize("call", [scales, auxiliary_weights, effective_sizes, merge])
def test_every_function_says_that_a_model_has_no_blocks(call):
    with pytest.raises(PathwayError, match="Linear has no `blocks`"):
        call(nn.Linear(2, 2))
    with pytest.raises(PathwayError, match="int has no `blocks`"):
        call(3)


def test_a_model_is_not_its_own_auxiliary_but_its_copy_is():
    target = vit()
    with pytest.raises(PathwayError, match="auxiliary 1 is the target itself"):
        attach(target, [other(), target])
    with pytest.raises(PathwayError, match="shares blocks with it"):
        attach(target, Renamed(blocks=target.blocks))
    attach(target, copy.deepcopy(target))
    with pytest.raises(PathwayError, match="needs at least one auxiliary"):
        attach(vit(), [])


def test_layers_that_blocks_share_cannot_be_joined():
    target = vit()
    target.blocks[1].mlp = target.blocks[0].mlp
    with pytest.raises(PathwayError, match=r"blocks\.1\.mlp\.fc1 is the same layer as blocks\.0\.mlp\.fc1"):
        attach(target, other())
    assert not scales(target)
    attach(target, other(), layers=("attn.qkv", "attn.proj"))


@pytest.mark.parametrize(
    ("target", "auxiliary", "message"),
    [
        (vit, lambda: spoilt(float("nan")), r"blocks\.1\.mlp\.fc1: the weight of auxiliary 0 is not finite"),
        (vit, lambda: spoilt(float("inf")), r"blocks\.1\.mlp\.fc1: the weight of auxiliary 0 is not finite"),
        (lambda: vit().half(), lambda: spoilt(1e6), r"blocks\.1\.mlp\.fc1: .* not finite in the target's type, torch\.float16"),
    ],
)
def test_weights_that_would_not_be_finite(target, auxiliary, message):
    """At a scale of 0 such a weight gives NaN: 0 times infinity."""
    with pytest.raises(PathwayError, match=message):
        attach(target(), auxiliary())


def test_weights_that_are_no_floating_point_numbers():
    auxiliary = other()
    layer = auxiliary.blocks[0].attn.qkv
    layer.weight = nn.Parameter(torch.ones(layer.weight.shape, dtype=torch.int8), requires_grad=False)
    fault = r"blocks\.0\.attn\.qkv: weights must be floating-point numbers, but one is torch\.int8"
    with pytest.raises(PathwayError, match=fault):
        attach(vit(), auxiliary)


@pytest.mark.parametrize(("value", "held"), [(1e-9, "0.0"), (1e6, "inf")])
def test_a_first_scale_that_its_type_cannot_hold(value, held):
    with pytest.raises(PathwayError, match=rf"scale_init: .* is {held} in torch\.float16, the type of blocks\.0\.attn\.qkv"):
        attach(vit().half(), other(), scale_init=value)


@pytest.mark.parametrize("granularity", ["layer", "block", "head", "channel"])
def test_a_scale_has_the_type_of_its_layer_whatever_that_of_the_norms(granularity):
    target = vit().float()
    target.blocks.apply(lambda part: part.to(torch.float64) if isinstance(part, nn.LayerNorm) else None)
    attach(target, other(), granularity=granularity)
    assert {scale.dtype for scale in scales(target).values()} == {torch.float32}
    assert target.blocks[0].attn.qkv.weight.dtype == torch.float32


def test_layers_of_several_types_share_no_scale():
    target = vit()
    target.blocks[1].mlp.fc1.float()
    with pytest.raises(PathwayError, match=r"blocks\.1: its layers differ in type or device"):
        attach(target, other(), granularity="block")
    attach(target, other())


def test_heads_that_do_not_divide_a_layer():
    models = [vit(), other()]
    for model in models:
        for block in model.blocks:
            block.attn.num_heads = 5
    with pytest.raises(PathwayError, match=r"blocks\.0\.attn\.qkv: its weight \(72, 24\) cannot be divided among 5 heads"):
        attach(*models, granularity="head")
    assert not scales(models[0])


def test_what_is_joined_needs_no_more_than_its_layers():
    target = vit()
    target.blocks[0].mlp.fc1 = Doubling(24, 96).double()
    attach(target, other(), layers=[layer for layer in JOINABLE if layer != "mlp.fc1"])
    target(images())


def tied(first: str, second: str) -> nn.Module:
    model = nn.Module()
    model.blocks = nn.ModuleList(nn.ModuleDict({"fc1": nn.Linear(4, 4), "fc2": nn.Linear(4, 4)}) for _ in range(2))
    model.head = nn.Linear(4, 4)
    model.get_submodule(first).weight = model.get_submodule(second).weight
    return model


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("blocks.0.fc1", "blocks.0.fc2", r"^blocks\.0\.fc\d shares its weight with blocks\.0\.fc\d; such a weight cannot be"),
        ("blocks.1.fc1", "blocks.0.fc1", r"^blocks\.\d\.fc1 shares its weight with blocks\.\d\.fc1"),
        ("head", "blocks.1.fc2", r"^blocks\.1\.fc2 shares its weight with head"),
    ],
)
def test_a_weight_that_two_layers_share_cannot_be_joined(first, second, message):
    """A merge would add both auxiliaries to it, or change a layer that was never joined."""
    plain = tied("head", "head")
    target = tied(first, second)
    with pytest.raises(PathwayError, match=message):
        attach(target, plain)
    assert not scales(target)
    attach(plain, tied(first, second))  # weights of auxiliaries are copied


def test_the_same_part_under_two_names_is_one():
    target, plain = tied("head", "head"), tied("head", "head")
    target.alias = target.blocks
    attach(target, plain)
    assert len(scales(target)) == 4


def convolutions(**options):
    return Renamed(blocks=nn.ModuleList([nn.ModuleDict({"conv": nn.Conv2d(4, 4, 3, **options)})]))


@pytest.mark.parametrize(
    ("auxiliary", "message"),
    [
        (lambda: convolutions(dilation=2), r"^blocks\.0\.conv: auxiliary 0 has dilation \(2, 2\), the target \(1, 1\)$"),
        (
            lambda: Renamed(blocks=nn.ModuleList([nn.ModuleDict({"conv": nn.Conv2d(8, 4, 3, groups=2)})])),
            r"^blocks\.0\.conv: auxiliary 0 has groups 2, the target 1$",
        ),
    ],
)
def test_a_kernel_that_reads_other_places_or_channels_is_another_layer(auxiliary, message):
    with pytest.raises(PathwayError, match=message):
        attach(convolutions(), auxiliary())
    attach(convolutions(stride=2, padding=1, padding_mode="circular"), convolutions())  # how often it is applied, and where


@pytest.mark.parametrize("kind", [nn.ConvTranspose2d, nn.Conv1d, nn.Conv3d])
def test_a_convolution_of_another_kind_is_told_and_not_left_out(kind):
    def model():
        return Renamed(blocks=nn.ModuleList([nn.ModuleDict({"fc": nn.Linear(4, 4), "conv": kind(4, 4, 3)})]))

    with pytest.raises(PathwayError, match=rf"^conv is a {kind.__name__}, not a linear layer or a convolution with a plain"):
        attach(model(), model())
    target = model()
    attach(target, model(), layers=("fc",))
    assert list(scales(target)) == ["blocks.0.fc"]


def test_scales_per_head_are_of_linear_layers():
    def model():
        attention = nn.ModuleDict({"proj": nn.Conv2d(4, 4, 1)})
        attention.num_heads = 2
        return Renamed(blocks=nn.ModuleList([nn.ModuleDict({"attn": attention})]))

    with pytest.raises(PathwayError, match=r"^blocks\.0: scales per head need `attn\.num_heads`, and linear layers among"):
        attach(model(), model(), granularity="head")
