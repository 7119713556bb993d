"""UniRepLKNet against the released definition (arXiv 2311.15599, sections 3.1 and 3.2), written down here without modules."""

import copy
import math

import pytest
import torch
from torch.nn import functional

from m2pt.config import AudioInput, ImageInput, ModelConfig, PointInput, UserError, VideoInput
from m2pt.models.families import build_blocks
from m2pt.models.model import Model, fold
from m2pt.pathway import attach, merge, scales

CONFIG = ModelConfig(family="unireplknet", width=32, stages=((3, 5), (13, 3), (7,)), mlp_ratio=3.0)
IMAGE = ImageInput(size=32, channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))

RELEASED = {  # kernels and dilations of the branches beside a large kernel
    7: ([5, 3, 3], [1, 2, 3]),
    9: ([5, 5, 3, 3], [1, 2, 3, 4]),
    11: ([5, 5, 3, 3, 3], [1, 2, 3, 4, 5]),
    13: ([5, 7, 3, 3, 3], [1, 2, 3, 4, 5]),
    15: ([5, 7, 3, 3, 3], [1, 2, 3, 5, 7]),
    17: ([5, 9, 3, 3, 3], [1, 2, 4, 5, 7]),
}


def model(config=CONFIG, seed=0, **options):
    torch.manual_seed(seed)
    made = Model("image", IMAGE, config, 5, **options).double()
    with torch.no_grad():
        for name, tensor in (*made.named_parameters(), *made.named_buffers()):
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.ndim < 2 and tensor.is_floating_point() and "map" not in name:
                tensor.normal_(0.3, 0.5)
            elif tensor.is_floating_point() and tensor.ndim > 1:
                tensor.normal_(0, 1.5 / math.sqrt(tensor[0].numel()))
    return made.eval()


def images(seed=1, count=3):
    return torch.rand(count, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def batch_norm(x, state, name, training):
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return ((x.movedim(1, -1) - mean) / (var + 1e-5).sqrt() * weight + bias).movedim(-1, 1)


def channel_norm(x, state, name):
    mean = x.mean(1, keepdim=True)
    spread = (x - mean).pow(2).mean(1, keepdim=True)
    return state[f"{name}.weight"][:, None, None] * (x - mean) / (spread + 1e-6).sqrt() + state[f"{name}.bias"][:, None, None]


def depthwise(x, kernel, dilation=1):
    return functional.conv2d(x, kernel, padding=dilation * (kernel.shape[-1] - 1) // 2, dilation=dilation, groups=len(kernel))


def released_block(x, state, at, kernel, training):
    if kernel >= 7:
        y = batch_norm(depthwise(x, state[f"{at}.conv_dw.large.weight"]), state, f"{at}.conv_dw.large_norm", training)
        for side, rate in zip(*RELEASED[kernel], strict=True):
            name = f"{at}.conv_dw.k{side}r{rate}"
            y = y + batch_norm(depthwise(x, state[f"{name}.weight"], rate), state, f"{name}_norm", training)
    else:
        y = depthwise(x, state[f"{at}.conv_dw.weight"])
    y = batch_norm(y, state, f"{at}.norm", training)
    s = y.mean((2, 3))
    s = torch.relu(s @ state[f"{at}.se.fc1.weight"][:, :, 0, 0].T + state[f"{at}.se.fc1.bias"])
    s = torch.sigmoid(s @ state[f"{at}.se.fc2.weight"][:, :, 0, 0].T + state[f"{at}.se.fc2.bias"])
    y = (y * s[:, :, None, None]).movedim(1, -1)
    y = functional.gelu(y @ state[f"{at}.mlp.fc1.weight"].T + state[f"{at}.mlp.fc1.bias"])
    size = y.pow(2).sum((1, 2), keepdim=True).sqrt()
    size = size / (size.mean(-1, keepdim=True) + 1e-6)
    y = (state[f"{at}.mlp.response.gamma"] * size + 1) * y + state[f"{at}.mlp.response.beta"]
    y = batch_norm((y @ state[f"{at}.mlp.fc2.weight"].T).movedim(-1, 1), state, f"{at}.mlp.norm", training)
    return x + state[f"{at}.layer_scale"][:, None, None] * y


def released(x, state, config, training=False):
    """The complete network: stem, stages, mean, norm, head."""
    x = (x - torch.tensor(IMAGE.mean).double()[:, None, None]) / torch.tensor(IMAGE.std).double()[:, None, None]
    for conv, norm in ((0, 1), (3, 4)):
        at = "tokenizer.stem"
        x = functional.conv2d(x, state[f"{at}.{conv}.weight"], state[f"{at}.{conv}.bias"], stride=2, padding=1)
        x = channel_norm(x, state, f"{at}.{norm}")
        x = functional.gelu(x) if norm == 1 else x
    number = 0
    for stage, kernels in enumerate(config.stages):
        for place, kernel in enumerate(kernels):
            at = f"blocks.{number}"
            if stage and not place:
                x = functional.conv2d(
                    x, state[f"{at}.downsample.0.weight"], state[f"{at}.downsample.0.bias"], stride=2, padding=1
                )
                x = channel_norm(x, state, f"{at}.downsample.1")
            x = released_block(x, state, at, kernel, training)
            number += 1
    x = functional.layer_norm(x.mean((2, 3)), (config.width,), state["fc_norm.weight"], state["fc_norm.bias"], 1e-6)
    return x @ state["head.weight"].T + state["head.bias"]


@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_the_released_one(training):
    made = model()
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    made.train(training)
    torch.testing.assert_close(made(images()), released(images(), state, CONFIG, training), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kernel", RELEASED)
def test_a_large_kernel_has_the_released_branches_and_they_fold_into_it(kernel):
    config = CONFIG.model_copy(update={"stages": ((kernel,), (3,))})
    made = model(config)
    plain = copy.deepcopy(made)
    fold(plain, config)
    torch.testing.assert_close(made(images()), released(images(), made.state_dict(), config), rtol=0, atol=1e-10)
    torch.testing.assert_close(plain(images()), made(images()), rtol=0, atol=1e-10)
    assert plain.state_dict()["blocks.0.conv_dw.weight"].shape == (16, 1, kernel, kernel)
    assert {name.split(".", 2)[2] for name in plain.state_dict() if name.startswith("blocks.0.")} == {
        f"{layer}.{kind}" for layer in ("conv_dw", "se.fc1", "se.fc2", "mlp.fc1", "mlp.fc2") for kind in ("weight", "bias")
    } | {"mlp.response.gamma"}


def test_folding_twice_changes_nothing_more():
    made = model()
    fold(made, CONFIG)
    before = copy.deepcopy(made.state_dict())
    fold(made, CONFIG)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def test_the_first_weights_are_the_released_ones():
    torch.manual_seed(0)
    blocks = build_blocks(ModelConfig(family="unireplknet", width=128, stages=((13,), (3,))))
    assert torch.equal(blocks[0].layer_scale, torch.full((64,), 1e-6))
    assert not blocks[0].mlp.response.gamma.any() and not blocks[0].mlp.fc1.bias.any()
    weight = blocks[1].mlp.fc1.weight
    assert 0.019 < float(weight.detach().std()) < 0.021


def test_a_pathway_joins_every_convolution_and_linear_layer_and_merges_before_the_branches():
    target, auxiliary = model(seed=1), model(seed=2)
    own, other = ({name: tensor.clone() for name, tensor in each.state_dict().items()} for each in (target, auxiliary))
    before = target(images())
    attach(target, auxiliary, layers=("conv_dw", "se", "mlp.fc1", "mlp.fc2"))
    assert torch.equal(target(images()), before)
    large = ["large", *(f"k{side}r{rate}" for side, rate in zip(*RELEASED[13], strict=True))]
    layers = {name.removeprefix("blocks.2.") for name in scales(target) if name.startswith("blocks.2.")}
    assert layers == {*(f"conv_dw.{name}" for name in large), "se.fc1", "se.fc2", "mlp.fc1", "mlp.fc2"}
    values = {name: 0.1 * (number % 3 - 1) for number, name in enumerate(scales(target))}
    for name, value in values.items():
        scales(target)[name].data.fill_(value)
        own[f"{name}.weight"] += value * other[f"{name}.weight"]
    expected = released(images(), own, CONFIG)
    torch.testing.assert_close(target(images()), expected, rtol=0, atol=1e-10)
    merge(target)
    fold(target, CONFIG)
    torch.testing.assert_close(target(images()), expected, rtol=0, atol=1e-10)
    plain = model(seed=3)
    fold(plain, CONFIG)
    plain.load_state_dict(target.state_dict())
    assert torch.equal(plain(images()), target(images()))


def test_stochastic_depth_skips_a_block_for_single_samples():
    made = model(drop_path=0.5).train()
    drops = [block.drop_path for block in list(made.blocks)[1:]]
    for drop in drops:
        drop.factors = torch.tensor([[[0.0]], [[2.0]], [[0.0]]])
    block = made.blocks[1]
    x = torch.randn(3, 8, 8, 8, dtype=torch.float64)
    changed = [bool((after != before).any()) for after, before in zip(block(x), x, strict=True)]
    assert changed == [False, True, False]


def test_sizes_that_stages_cannot_have():
    with pytest.raises(ValueError, match="width: 40 must be a multiple of 16 for 3 stages"):
        ModelConfig(family="unireplknet", width=40, stages=((3,), (7,), (3,)))
    with pytest.raises(ValueError, match=r"mlp_ratio: 0\.04 leaves an MLP of 16 channels no hidden layer; raise it"):
        ModelConfig(family="unireplknet", width=32, stages=((3,), (7,)), mlp_ratio=0.04)
    with pytest.raises(ValueError, match=r"mlp_ratio: 0\.01 leaves an MLP of 64 channels no hidden layer; raise it"):
        ModelConfig(width=64, mlp_ratio=0.01)
    assert ModelConfig(width=64, mlp_ratio=0.02).mlp_ratio == 0.02


@pytest.mark.parametrize(
    ("modality", "config", "places"),
    [
        ("image", ImageInput(size=16), (4, 4)),
        ("audio", AudioInput(frames=32, mels=16), (8, 4)),
        ("point", PointInput(points=24, view=20), (5, 5)),
        ("video", VideoInput(frames=8, size=16), (8, 16)),
    ],
)
def test_every_modality_has_a_map_and_the_stem_quarters_its_sides(modality, config, places):
    torch.manual_seed(0)
    made = Model(modality, config, CONFIG, 5).eval()
    x = torch.rand(2, *config.sample_shape)
    tokens = made.tokenizer.tokens(x)
    assert tokens.values.shape == (2, 8, *places)
    assert made(x).shape == (2, 5)


def test_samples_of_the_published_form_have_no_map():
    with pytest.raises(UserError, match=r"inputs\.image\.form: published samples have no maps"):
        Model("image", IMAGE.model_copy(update={"form": "published"}), CONFIG, 5)
