"""Joined models are copied, averaged, pickled, loaded, compiled and merged independently of each other.

The reference is a plain timm model whose weights are the sums, written down here.
"""

import copy
import io

import pytest
import timm
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from m2pt.pathway import JOINABLE, PathwayError, attach, auxiliary_weights, merge, scales

VALUE = 0.3


def vit(seed):
    torch.manual_seed(seed)
    return timm.create_model(
        "vit_small_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
    ).double()


def images():
    return torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


def joined(branches=False, **options):
    model = vit(1)
    attach(model, vit(2), scale_init=VALUE, branches=branches, **options)
    return model


def summed(value=VALUE):
    """The plain model that a joined one must equal."""
    model, other = vit(1), vit(2)
    with torch.no_grad():
        for block, aside in zip(model.blocks, other.blocks, strict=True):
            for layer in JOINABLE:
                block.get_submodule(layer).weight.add_(value * aside.get_submodule(layer).weight)
    return model


def assert_equals(model, plain):
    torch.testing.assert_close(model(images()), plain(images()), rtol=0, atol=1e-12)


def is_plain(model):
    model.load_state_dict(summed().state_dict())
    return all(type(block.get_submodule(layer)) is nn.Linear for block in model.blocks for layer in JOINABLE)


def pickled(model):
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy of a copy": lambda model: copy.deepcopy(copy.deepcopy(model)),
    "pickle": pickled,
    "average": lambda model: ModelEmaV3(model, decay=0.5).module.train(model.training),
}


@pytest.mark.parametrize("branches", [False, True], ids=["sum", "branches"])
@pytest.mark.parametrize("kind", COPIES)
def test_merging_a_copy_leaves_the_original_and_the_other_way_round(kind, branches):
    for first in ("copy", "original"):
        model = joined(branches)
        other = COPIES[kind](model)
        assert not {id(parameter) for parameter in model.parameters()} & {id(parameter) for parameter in other.parameters()}
        merged, left = (other, model) if first == "copy" else (model, other)
        merge(merged)
        assert_equals(merged, summed())
        assert_equals(left, summed())
        assert len(scales(left)) == 8
        torch.testing.assert_close(left.blocks[1].attn.qkv.weight, summed().blocks[1].attn.qkv.weight)
        merge(left)
        assert_equals(left, summed())
        assert is_plain(left)
        assert is_plain(merged)


@pytest.mark.parametrize("granularity", ["layer", "block", "head", "channel"])
def test_copies_train_apart(granularity):
    model = joined(granularity=granularity)
    other = copy.deepcopy(model)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    other(images()).square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert_equals(model, summed())
    assert all(bool((value != VALUE).all()) for value in scales(other).values())
    if granularity == "block":
        assert len({id(scale) for scale in scales(other).values()}) == 2


def test_a_moving_average_of_a_joined_model_is_that_of_all_its_tensors():
    model = joined()
    average = ModelEmaV3(model, decay=0.9)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3), dtype=parameter.dtype))
    average.update(model)
    for name, tensor in average.module.state_dict().items():
        torch.testing.assert_close(tensor, 0.9 * before[name] + 0.1 * model.state_dict()[name])
    merge(average.module)
    assert len(scales(model)) == 8


@pytest.mark.parametrize("branches", [False, True])
def test_states_go_from_one_model_to_another_and_hold_the_plain_keys(branches):
    model, other = joined(branches), joined(branches)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(model.state_dict())
    assert_equals(other, summed())
    merge(other)
    assert_equals(model, summed())
    added = set(model.state_dict()) - set(vit(1).state_dict())
    assert set(vit(1).state_dict()) < set(model.state_dict())
    assert all(".join.scales." in name or ".join.auxiliaries." in name for name in added)
    target = vit(1).state_dict()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in target.items())
    assert list(other.state_dict()) == list(vit(1).state_dict())


def test_a_merged_model_keeps_its_parameters_so_an_optimizer_goes_on():
    model = joined()
    optimizer = torch.optim.SGD(model.blocks[0].attn.qkv.parameters(), lr=1.0)
    merge(model)
    model(images()).square().sum().backward()
    optimizer.step()
    assert not torch.equal(model.blocks[0].attn.qkv.weight, summed().blocks[0].attn.qkv.weight)


def test_hooks_of_a_layer_stay():
    model, seen = vit(1), []
    model.blocks[1].mlp.fc2.register_forward_hook(lambda *arguments: seen.append("hook"))
    attach(model, vit(2))
    model(images())
    merge(model)
    model(images())
    assert seen == ["hook", "hook"]


@pytest.mark.parametrize("branches", [False, True])
def test_a_compiled_model_is_the_same_function_with_the_same_gradients(branches):
    model = joined(branches).eval()
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(images()), model(images()), rtol=0, atol=1e-12)
    compiled(images()).square().sum().backward()
    model(images()).square().sum().backward()
    for name, scale in scales(model).items():
        torch.testing.assert_close(scales(compiled)[name].grad, scale.grad, rtol=1e-9, atol=1e-9)
    merge(compiled)
    assert_equals(compiled, summed())
    assert_equals(model, summed())


def test_lora_on_top_of_a_joined_model_merges_after_the_pathway():
    peft = pytest.importorskip("peft")
    model = joined()
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=r"blocks\.\d+\.attn\.qkv", init_lora_weights=False)
    torch.manual_seed(0)
    peft.inject_adapter_in_model(config, model)
    model.double()
    layer = model.blocks[1].attn.qkv
    added = 2.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(
        layer(torch.eye(24).double()), (summed().blocks[1].attn.qkv.weight + added).T + layer.base_layer.bias
    )
    before, other = model(images()), copy.deepcopy(model)
    merge(model)
    torch.testing.assert_close(model(images()), before, rtol=0, atol=1e-12)
    layer.merge(safe_merge=True)
    torch.testing.assert_close(layer.get_base_layer().weight, summed().blocks[1].attn.qkv.weight + added)
    torch.testing.assert_close(other(images()), before, rtol=0, atol=1e-12)


def test_copies_of_a_frozen_model_stay_frozen_and_a_merge_that_fails_changes_no_copy():
    model = vit(1).requires_grad_(False)
    attach(model, vit(2), scale_trainable=False, auxiliary_trainable=False, scale_init=VALUE)
    other = copy.deepcopy(model)
    merge(other)
    assert not any(parameter.requires_grad for parameter in other.parameters())
    with torch.no_grad():
        auxiliary_weights(model)["blocks.1.mlp.fc2"][0, 0] = float("nan")
    with pytest.raises(PathwayError, match="not finite"):
        merge(model)
    assert_equals(other, summed())
