"""The pathway against an independent two-branch model in float64, and against plain timm models."""

import copy
import itertools

import pytest
import timm
import torch
from torch import nn

from m2pt.pathway import JOINABLE, PathwayError, attach, auxiliary_weights, effective_sizes, merge, scales


def vit(depth: int = 2, heads: int = 3, seed: int = 0, width: int = 24, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, embed_dim=width, depth=depth, num_heads=heads, num_classes=5, **options
    ).double()


def images(seed: int = 7) -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class TwoBranch(nn.Module):
    """The definition, written down naively: x W^T + b + scale * (x W_aux^T)."""

    def __init__(self, own: nn.Linear, other: nn.Linear, scale: float) -> None:
        super().__init__()
        self.weight = own.weight  # timm's fused attention never reads it; kept for its device and type
        self.own = own
        self.other = nn.Parameter(other.weight.detach().clone())
        self.scale = nn.Parameter(torch.tensor(scale, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own(x) + self.scale * (x @ self.other.T)


def two_branch(target: nn.Module, auxiliary: nn.Module, values: dict[str, float]) -> nn.Module:
    model = copy.deepcopy(target)
    for index, layer in itertools.product(range(len(target.blocks)), JOINABLE):
        block, other = model.blocks[index], auxiliary.blocks[index]
        parent, name = block.get_submodule(layer.split(".")[0]), layer.split(".")[1]
        setattr(parent, name, TwoBranch(getattr(parent, name), other.get_submodule(layer), values[f"blocks.{index}.{layer}"]))
    return model


def set_scales(model: nn.Module, values: dict[str, float]) -> None:
    with torch.no_grad():
        for name, scale in scales(model).items():
            scale.fill_(values[name])


def some_values(depth: int = 2) -> dict[str, float]:
    names = [f"blocks.{index}.{layer}" for index in range(depth) for layer in JOINABLE]
    return {name: 0.1 * (number + 1) * (-1) ** number for number, name in enumerate(names)}


def test_values_and_all_gradients_equal_those_of_two_branches():
    target, auxiliary, values = vit(seed=1), vit(seed=2), some_values()
    reference = two_branch(target, auxiliary, values)
    attach(target, auxiliary)
    set_scales(target, values)
    x = images()
    torch.testing.assert_close(target(x), reference(x), rtol=0, atol=1e-12)

    target(x).square().sum().backward()
    reference(x).square().sum().backward()
    for name, scale in scales(target).items():
        branch = reference.get_submodule(name)
        torch.testing.assert_close(scale.grad, branch.scale.grad, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(auxiliary_weights(target)[name].grad, branch.other.grad, rtol=1e-10, atol=1e-10)
        own = target.get_submodule(name).own.grad
        torch.testing.assert_close(own, branch.own.weight.grad, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(target.get_submodule(name).bias.grad, branch.own.bias.grad, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        target.patch_embed.proj.weight.grad, reference.patch_embed.proj.weight.grad, rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("granularity", ["layer", "block", "head", "channel"])
def test_at_zero_the_model_equals_the_target_bit_for_bit(granularity):
    target = vit(seed=1).float()
    x = images().float()
    before = target(x)
    attach(target, [vit(seed=2), vit(seed=3)], granularity=granularity)
    assert torch.equal(target(x), before)


def test_several_auxiliaries_add_up():
    target, values = vit(seed=1), some_values()
    first, second = vit(seed=2), vit(seed=3)
    reference = two_branch(two_branch(target, first, values), first, dict.fromkeys(values, 0.0))
    combined = copy.deepcopy(first)
    with torch.no_grad():
        for name, value in values.items():
            weight = combined.get_submodule(name).weight
            weight.copy_(value * first.get_submodule(name).weight - 2 * value * second.get_submodule(name).weight)
    reference = two_branch(target, combined, dict.fromkeys(values, 1.0))
    attach(target, [first, second])
    set_scales(target, {f"{n}.{k}": v * (1, -2)[k] for n, v in values.items() for k in (0, 1)})
    torch.testing.assert_close(target(images()), reference(images()), rtol=0, atol=1e-12)


def test_merging_gives_a_plain_timm_model_with_the_same_function():
    target = vit(seed=1)
    attach(target, vit(seed=2))
    set_scales(target, some_values())
    x = images()
    before = target(x)
    merge(target)
    assert torch.equal(target(x), before)
    plain = vit(seed=9)
    plain.load_state_dict(target.state_dict())
    assert torch.equal(plain(x), before)
    assert sum(p.numel() for p in target.parameters()) == sum(p.numel() for p in plain.parameters())
    assert type(target.blocks[0].attn.qkv) is nn.Linear
    assert all(parameter.requires_grad for parameter in target.parameters())


def test_merging_refuses_non_finite_weights_and_changes_nothing():
    target = vit(seed=1)
    attach(target, vit(seed=2))
    with torch.no_grad():
        scales(target)["blocks.1.mlp.fc2"].fill_(float("inf"))
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(PathwayError, match=r"blocks\.1\.mlp\.fc2.*not finite"):
        merge(target)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_every_layer_type_trains_and_the_source_is_left_alone():
    target, auxiliary = vit(seed=1), vit(seed=2)
    kept = copy.deepcopy(auxiliary.state_dict())
    attach(target, auxiliary)
    optimizer = torch.optim.AdamW(target.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        target(images()).square().sum().backward()
        optimizer.step()
    assert all(bool(scale != 0) for scale in scales(target).values())
    assert set(scales(target)) == set(some_values())
    for name, tensor in auxiliary.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


def test_effective_size_is_the_relative_norm_of_the_change():
    target, auxiliary = vit(seed=1), vit(seed=2)
    expected = (0.25 * auxiliary.blocks[1].mlp.fc1.weight.norm() / target.blocks[1].mlp.fc1.weight.norm()).item()
    attach(target, auxiliary, scale_init=-0.25)
    assert effective_sizes(target)["blocks.1.mlp.fc1"] == pytest.approx(expected)


def test_head_granularity_scales_the_rows_and_columns_of_one_head():
    target, auxiliary = vit(seed=1), vit(seed=2)
    attach(target, auxiliary, granularity="head")
    found = scales(target)
    assert found["blocks.0.attn.qkv"].shape == (9, 1)
    assert found["blocks.0.attn.proj"].shape == (1, 3)
    assert found["blocks.0.mlp.fc1"].shape == ()
    qkv_before = target.blocks[0].attn.qkv.weight.detach().clone()
    proj_before = target.blocks[0].attn.proj.weight.detach().clone()
    with torch.no_grad():
        found["blocks.0.attn.qkv"][4] = 1.0  # the keys of head 1: rows 24 + 8 to 24 + 16
        found["blocks.0.attn.proj"][0, 2] = 1.0  # the columns of head 2: 16 to 24
    changed = (target.blocks[0].attn.qkv.weight - qkv_before).abs().sum(1).nonzero().flatten().tolist()
    assert changed == list(range(32, 40))
    assert (target.blocks[0].attn.proj.weight - proj_before).abs().sum(0).nonzero().flatten().tolist() == list(range(16, 24))


def test_block_granularity_shares_one_scale():
    target = vit(seed=1)
    attach(target, vit(seed=2), granularity="block")
    assert len({id(scale) for scale in scales(target).values()}) == 2


def test_reversed_order_joins_the_last_block_to_the_first():
    target, auxiliary = vit(seed=1), vit(seed=2)
    attach(target, auxiliary, order="reversed")
    assert torch.equal(auxiliary_weights(target)["blocks.0.attn.qkv"], auxiliary.blocks[1].attn.qkv.weight)


def test_shuffled_order_is_a_permutation_given_by_its_seed():
    auxiliary = vit(depth=6, seed=2)
    orders = []
    for seed in (0, 0, 1):
        target = vit(depth=6, seed=1)
        attach(target, auxiliary, order="shuffled", order_seed=seed)
        firsts = [float(block.mlp.fc1.weight[0, 0]) for block in auxiliary.blocks]
        joined = auxiliary_weights(target)
        orders.append([firsts.index(float(joined[f"blocks.{index}.mlp.fc1"][0, 0])) for index in range(6)])
    assert sorted(orders[0]) == list(range(6))
    assert orders[0] == orders[1] != orders[2]


def test_frozen_parts_get_no_gradient():
    target = vit(seed=1)
    attach(target, vit(seed=2), scale_trainable=False, scale_init=0.5, auxiliary_trainable=False, layers=("mlp.fc2",))
    target(images()).sum().backward()
    assert set(scales(target)) == {"blocks.0.mlp.fc2", "blocks.1.mlp.fc2"}
    assert all(scale.grad is None for scale in scales(target).values())
    assert all(weight.grad is None for weight in auxiliary_weights(target).values())


@pytest.mark.parametrize(
    ("auxiliary", "message"),
    [
        (lambda: vit(depth=3), "auxiliary 0 has 3 blocks, the target has 2"),
        (lambda: vit(heads=2), r"blocks\.0: auxiliary 0 has 2 heads, the target 3"),
        (lambda: vit(qkv_bias=False), r"blocks\.0\.attn\.qkv: only one of target and auxiliary 0 has a bias"),
        (lambda: vit(mlp_ratio=2.0), r"blocks\.0\.mlp\.fc1: the weight of auxiliary 0 is \(48, 24\), in the target \(96, 24\)"),
    ],
)
def test_misfits_are_refused_and_nothing_is_joined(auxiliary, message):
    target = vit()
    with pytest.raises(PathwayError, match=message):
        attach(target, auxiliary())
    assert not scales(target)


def test_an_unknown_layer_and_a_second_pathway_are_refused():
    target = vit()
    with pytest.raises(PathwayError, match=r"no layer 'attn\.kqv'"):
        attach(target, vit(seed=2), layers=("attn.kqv",))
    attach(target, vit(seed=2))
    with pytest.raises(PathwayError, match="already has a pathway"):
        attach(target, vit(seed=2))
    merge(target)
    with pytest.raises(PathwayError, match="no pathway to merge"):
        merge(target)
