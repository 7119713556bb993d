"""The pathway in timm's models with other blocks than ViT's, against the sum of weights and of branches, written down here."""

import copy

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from m2pt.pathway import PathwayError, attach, auxiliary_weights, effective_sizes, merge, scales

MODELS = {
    "convnext": ("convnext_tiny", {"depths": (1, 2, 1, 1), "dims": (8, 16, 24, 32)}),
    "convnext with 1x1 convolutions": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}),
    "eva": ("eva02_base_patch14_224", {"img_size": 28, "depth": 2, "embed_dim": 24, "num_heads": 3}),
    "beit": ("beit_base_patch16_224", {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 3}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 32, "embed_dim": 8, "depths": (1, 2), "num_heads": (2, 4), "window_size": 4},
    ),
}  # fmt: skip

LAYERS = {
    "convnext": ("stages.1.blocks.1.", {"conv_dw", "mlp.fc1", "mlp.fc2"}),
    "convnext with 1x1 convolutions": ("stages.1.blocks.0.", {"conv_dw", "mlp.fc1", "mlp.fc2"}),
    "eva": ("blocks.1.", {"attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.proj", "mlp.fc1_g", "mlp.fc1_x", "mlp.fc2"}),
    "beit": ("blocks.1.", {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}),
    "swin": ("layers.1.blocks.1.", {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}),
}


def made(name, seed):
    torch.manual_seed(seed)
    architecture, options = MODELS[name]
    model = timm.create_model(architecture, num_classes=5, **options).double().eval()
    for parameter in model.parameters():
        if parameter.ndim < 2:
            nn.init.normal_(parameter, 1.0, 0.2)  # ConvNeXt's and BEiT's layer scales are so small that blocks do nothing
        else:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model


def images(model):
    side = model.patch_embed.img_size[0] if hasattr(model, "patch_embed") else 32
    return torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


def summed(target, auxiliary, values):
    """The plain model whose weights are `W + scale * W_aux`."""
    plain = copy.deepcopy(target)
    for name, value in values.items():
        plain.get_submodule(name).weight.data += value * auxiliary.get_submodule(name).weight.data
    return plain


def set_scales(model):
    values = {name: 0.05 * (number % 5 + 1) * (-1) ** number for number, name in enumerate(scales(model))}
    for name, scale in scales(model).items():
        scale.data.fill_(values[name])
    return values


@pytest.mark.parametrize("name", MODELS)
def test_every_linear_layer_and_convolution_of_a_block_is_joined(name):
    target = made(name, 1)
    attach(target, made(name, 2))
    place, layers = LAYERS[name]
    assert {key.removeprefix(place) for key in scales(target) if key.startswith(place)} == layers
    assert set(effective_sizes(target)) == set(auxiliary_weights(target)) == set(scales(target))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("branches", [False, True])
def test_outputs_and_gradients_equal_those_of_the_summed_weights(name, branches):
    target, auxiliary = made(name, 1), made(name, 2)
    x = images(target)
    before = target(x)
    plain = copy.deepcopy(target)
    attach(target, auxiliary, branches=branches)
    assert torch.equal(target(x), before)
    plain = summed(plain, auxiliary, set_scales(target))
    assert (plain(x) - before).abs().max() > 1e-3
    torch.testing.assert_close(target(x), plain(x), rtol=0, atol=1e-10)
    target(x).square().sum().backward()
    plain(x).square().sum().backward()
    for key, scale in scales(target).items():
        along = plain.get_submodule(key).weight.grad
        torch.testing.assert_close(scale.grad, (along * auxiliary.get_submodule(key).weight).sum(), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(auxiliary_weights(target)[key].grad, scale.detach() * along, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_merging_back_gives_a_plain_timm_model_with_equal_logits(name):
    target, auxiliary = made(name, 1), made(name, 2)
    attach(target, auxiliary, granularity="channel")
    for scale in scales(target).values():
        scale.data.uniform_(-0.1, 0.1)
    x = images(target)
    before = target(x)
    merge(target)
    plain = made(name, 3)
    plain.load_state_dict(target.state_dict())
    assert torch.equal(plain(x), before)
    assert {type(part) for part in target.modules()} == {type(part) for part in plain.modules()}


def test_a_part_of_a_block_means_all_its_layers_and_blocks_can_lack_others():
    target = made("convnext", 1)
    attach(target, made("convnext", 2), layers=("mlp",))
    assert {key.split(".", 4)[4] for key in scales(target)} == {"mlp.fc1", "mlp.fc2"}


def test_a_scale_of_a_convolution_by_channel_is_one_for_each_of_its_kernels():
    target, auxiliary = made("convnext", 1), made("convnext", 2)
    attach(target, auxiliary, layers=("conv_dw",), granularity="channel")
    layer, other = target.stages[0].blocks[0].conv_dw, auxiliary.stages[0].blocks[0].conv_dw
    scales(target)["stages.0.blocks.0.conv_dw"].data.copy_(torch.arange(8.0)[:, None])
    expected = layer.own + torch.arange(8.0)[:, None, None, None] * other.weight
    assert torch.equal(layer.weight, expected)
    x = torch.randn(1, 8, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), functional.conv2d(x, expected, layer.bias, padding=3, groups=8), rtol=0, atol=1e-12)


REFUSALS = [
    ({"order": "reversed"}, r"stages\.0\.blocks\.0\.conv_dw: the weight of auxiliary 0 is \(32, 1, 7, 7\), in the target \(8, 1"),
    ({"granularity": "head"}, r"stages\.0\.blocks\.0: scales per head need `attn\.num_heads`"),
    ({"layers": ("attn",)}, r"a block \(ConvNeXtBlock\) has no layer 'attn'; its layers are conv_dw, mlp\.fc1, mlp\.fc2"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), REFUSALS)
def test_what_blocks_of_unlike_shapes_and_without_attention_cannot_have(options, message):
    target = made("convnext", 1)
    with pytest.raises(PathwayError, match=message):
        attach(target, made("convnext", 2), **options)
    assert not scales(target)


def test_models_of_unlike_blocks_are_refused():
    other = made("beit", 2)
    other.blocks[1].attn.gate = nn.Linear(24, 24)
    with pytest.raises(PathwayError, match=r"blocks\.1: only one of target and auxiliary 0 has attn\.gate"):
        attach(made("beit", 1), other)
    with pytest.raises(PathwayError, match="auxiliary 0 has 2 blocks, the target has 5"):
        attach(made("convnext", 1), made("beit", 2))
    with pytest.raises(PathwayError, match=r"mlp\.fc1: auxiliary 0 has a Conv2d, the target a Linear"):
        target, other = made("convnext", 1), made("convnext", 2)
        other.stages[0].blocks[0].mlp.fc1 = nn.Conv2d(8, 32, 1).double()
        attach(target, other)
