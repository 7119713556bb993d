"""What fine-tuning adds to an encoder's blocks: relative positions and layer scale, against their definitions written plainly."""

import copy
import math

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear

from m2pt import pathway
from m2pt.config import AudioInput, BlocksConfig, ImageInput, ModelConfig, RivalsConfig, UserError
from m2pt.methods import METHODS
from m2pt.modalities.image.recipes import RECIPES
from m2pt.models.encoder import random_encoder, take_blocks
from m2pt.models.families import build_blocks
from m2pt.models.model import Model
from m2pt.weights.reading import load_encoder, read_encoder
from tests.specs import run_spec
from tests.weights.files import vit

CONFIG = ModelConfig(width=24, depth=2, heads=3)
INPUT = ImageInput(form="published", size=16, channels=3, patch=4)
ADDED = BlocksConfig(layer_scale=1.0, relative_positions=True)


def shaken(module, seed=0):
    """The module with all its parameters moved away from their first values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return module


def relative_bias(table, rows, columns):
    """BEiT's: a row for each displacement of key and query; the last three have the class token as query, as key, as both."""
    bias = torch.zeros(table.shape[1], 1 + rows * columns, 1 + rows * columns)
    bias[:, 0, :], bias[:, :, 0], bias[:, 0, 0] = table[-3][:, None], table[-2][:, None], table[-1]
    for y in range(rows):
        for x in range(columns):
            for other_y in range(rows):
                for other_x in range(columns):
                    row = (y - other_y + rows - 1) * (2 * columns - 1) + (x - other_x + columns - 1)
                    bias[:, 1 + y * columns + x, 1 + other_y * columns + other_x] = table[row]
    return bias


def plain_block(block, x, rows, columns, heads):
    """mmsegmentation's MAE: x + gamma_1 * attention(norm(x)), then x + gamma_2 * mlp(norm(x))."""
    width = x.shape[-1]
    normed = layer_norm(x, (width,), block.norm1.weight, block.norm1.bias, block.norm1.eps)
    parts = linear(normed, block.attn.qkv.weight, block.attn.qkv.bias).view(*x.shape[:2], 3, heads, width // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-2, -1) / math.sqrt(width // heads) + relative_bias(block.relative_bias, rows, columns)
    mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
    x = x + block.ls1.gamma * linear(mixed, block.attn.proj.weight, block.attn.proj.bias)
    normed = layer_norm(x, (width,), block.norm2.weight, block.norm2.bias, block.norm2.eps)
    hidden = gelu(linear(normed, block.mlp.fc1.weight, block.mlp.fc1.bias))
    return x + block.ls2.gamma * linear(hidden, block.mlp.fc2.weight, block.mlp.fc2.bias)


@pytest.mark.parametrize("grid", [(3, 4), (4, 4), (1, 2)])
def test_relative_positions_and_layer_scale_are_those_of_the_definition(grid):
    blocks = shaken(build_blocks(CONFIG, added=ADDED, grid=grid))
    x = torch.randn(2, 1 + grid[0] * grid[1], 24, generator=torch.Generator().manual_seed(1))
    expected = x
    for block in blocks:
        expected = plain_block(block, expected, *grid, CONFIG.heads)
    torch.testing.assert_close(blocks(x), expected, atol=1e-5, rtol=1e-5)
    assert blocks[0].relative_bias.shape == ((2 * grid[0] - 1) * (2 * grid[1] - 1) + 3, 3)
    expected.sum().backward()
    plain = [parameter.grad.clone() for parameter in blocks.parameters()]
    blocks.zero_grad()
    blocks(x).sum().backward()
    for one, parameter in zip(plain, blocks.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, one, atol=1e-4, rtol=1e-4)


def test_at_first_they_change_nothing():
    torch.manual_seed(0)
    plain = build_blocks(CONFIG)
    torch.manual_seed(0)
    blocks = build_blocks(CONFIG, added=ADDED, grid=(4, 4))
    x = torch.randn(2, 17, 24)
    torch.testing.assert_close(blocks(x), plain(x), atol=1e-6, rtol=1e-6)
    assert {name: tuple(value.shape) for name, value in blocks[1].named_parameters()}.items() >= {
        ("relative_bias", (52, 3)), ("ls1.gamma", (24,)), ("ls2.gamma", (24,)),
    }  # fmt: skip


def plain_windows(block, x, rows, columns, heads, side):
    """ViTDet's block (arXiv 2203.16527, section 3, and its code's relative positions), window by window and query by query."""
    batch, _, width = x.shape
    normed = layer_norm(x, (width,), block.norm1.weight, block.norm1.bias, block.norm1.eps).view(batch, rows, columns, width)
    high, wide = (side, side) if side else (rows, columns)
    mixed = torch.zeros_like(normed)
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            part = torch.zeros(batch, high, wide, width, dtype=x.dtype)
            seen = normed[:, top : top + high, left : left + wide]
            part[:, : seen.shape[1], : seen.shape[2]] = seen
            qkv = linear(part.flatten(1, 2), block.attn.qkv.weight, block.attn.qkv.bias).view(batch, high * wide, 3, heads, -1)
            query, key, value = qkv.permute(2, 0, 3, 1, 4)
            scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
            for one in range(high * wide):
                for other in range(high * wide):
                    down, right = one // wide - other // wide, one % wide - other % wide
                    bias = block.rows[down + high - 1] + block.columns[right + wide - 1]
                    scores[:, :, one, other] = scores[:, :, one, other] + query[:, :, one] @ bias
            out = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
            out = linear(out, block.attn.proj.weight, block.attn.proj.bias).view(batch, high, wide, width)
            mixed[:, top : top + high, left : left + wide] = out[:, : seen.shape[1], : seen.shape[2]]
    x = x + mixed.flatten(1, 2)
    normed = layer_norm(x, (width,), block.norm2.weight, block.norm2.bias, block.norm2.eps)
    hidden = gelu(linear(normed, block.mlp.fc1.weight, block.mlp.fc1.bias))
    return x + linear(hidden, block.mlp.fc2.weight, block.mlp.fc2.bias)


@pytest.mark.parametrize(("grid", "side"), [((4, 6), 2), ((5, 4), 3), ((2, 3), 4)])
def test_windows_and_split_positions_are_those_of_the_definition(grid, side):
    """Also where windows leave the grid: there they are filled up with zeros."""
    config = CONFIG.model_copy(update={"depth": 8})
    blocks = shaken(build_blocks(config, added=BlocksConfig(windows=side, split_positions=True), grid=grid)).double()
    assert [block.window for block in blocks] == [side, None] * 4, "four blocks of any depth attend to all"
    expected = x = torch.randn(2, grid[0] * grid[1], 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for block in blocks[:2]:
        expected = plain_windows(block, expected, *grid, CONFIG.heads, block.window)
    torch.testing.assert_close(blocks[:2](x), expected, atol=1e-12, rtol=1e-12)


def test_windows_as_large_as_the_grid_are_plain_attention_at_first():
    torch.manual_seed(0)
    plain = build_blocks(CONFIG)
    torch.manual_seed(0)
    blocks = build_blocks(CONFIG, added=BlocksConfig(windows=4, split_positions=True), grid=(4, 4))
    x = torch.randn(2, 16, 24)
    torch.testing.assert_close(blocks(x), plain(x), atol=1e-6, rtol=1e-6)


def test_windows_are_for_detectors():
    for added, key in ((BlocksConfig(windows=2), "windows"), (BlocksConfig(split_positions=True), "split_positions")):
        with pytest.raises(UserError, match=rf"finetune\.blocks\.{key}: is only for the head mask_rcnn on images"):
            segmenter(added)
        shared = ImageInput(size=16, channels=1, patch=4)
        with pytest.raises(UserError, match=rf"finetune\.blocks\.{key}: is only for the head mask_rcnn on images"):
            Model("image", shared, CONFIG, 5, head="mask_rcnn", added=added)


def segmenter(added=ADDED):
    torch.manual_seed(0)
    return Model("image", INPUT, CONFIG, 5, head="upernet", side_head=True, added=added)


def test_the_recipe_of_ade20k_is_that_of_mmsegmentation():
    recipe = RECIPES["mae-ade20k"].finetune
    assert (recipe.blocks.layer_scale, recipe.blocks.relative_positions, recipe.side_loss) == (1.0, True, 0.4)
    assert not any(other.finetune.blocks.relative_positions for name, other in RECIPES.items() if name != "mae-ade20k")


def test_pretrained_weights_fill_all_but_what_is_added(tmp_path):
    path = tmp_path / "vit.pth"
    tensors = vit()
    torch.save(tensors, path)
    model = shaken(segmenter())
    before = copy.deepcopy(model.blocks.state_dict())
    load_encoder(model, read_encoder(path, "image", INPUT, CONFIG), str(path))
    for name, value in model.blocks.state_dict().items():
        expected = tensors.get(f"blocks.{name}")
        assert torch.equal(value, before[name] if expected is None else expected), name


def test_a_pathway_joins_and_merges_around_them():
    model = shaken(segmenter()).eval()
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        alone = model(x)
        pathway.attach(model, random_encoder(CONFIG, 1))
        torch.testing.assert_close(model(x), alone)
        for scale in pathway.scales(model).values():
            scale.fill_(0.3)
        joined = model(x)
        assert not torch.allclose(joined, alone, atol=1e-3)
        pathway.merge(model)
        torch.testing.assert_close(model(x), joined, atol=1e-5, rtol=1e-5)
    assert model.state_dict().keys() == segmenter().state_dict().keys()


def test_other_blocks_are_taken_and_what_is_added_stays():
    model, other = shaken(segmenter()), random_encoder(CONFIG, 3)
    kept = model.blocks[0].relative_bias.clone()
    take_blocks(model.blocks, other.blocks)
    assert torch.equal(model.blocks[0].relative_bias, kept)
    assert torch.equal(model.blocks[1].mlp.fc1.weight, other.blocks[1].mlp.fc1.weight)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_they_train_in_half_width(checkpointing):
    model = shaken(segmenter()).train()
    model.gradient_checkpointing = checkpointing
    with torch.autocast("cpu", torch.bfloat16):
        outputs, side = model(torch.rand(2, 3, 16, 16))
    (outputs.float().sum() + side.float().sum()).backward()
    for block in model.blocks:
        for parameter in (block.relative_bias, block.ls1.gamma, block.ls2.gamma):
            assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0


def test_relative_positions_are_for_images_in_the_published_form():
    for modality, form in (("image", ImageInput()), ("audio", AudioInput(form="published"))):
        with pytest.raises(UserError, match=r"finetune\.blocks\.relative_positions: is only for images in the published form"):
            Model(modality, form, CONFIG, 5, added=ADDED)


@pytest.mark.parametrize(
    "method",
    ["auxiliary_start", "interpolation", "task_arithmetic", "frozen_encoder", "frozen_pretrained_transformer", "adapters"],
)
def test_methods_leave_what_is_added_in_its_place(method):
    """They change the pretrained weights of the blocks alone."""
    takes = 2 if method == "task_arithmetic" else 1
    spec = run_spec(method=method, input=INPUT, model=CONFIG, rivals=RivalsConfig(mix=0.25, adapter_width=4))
    model, plain = shaken(segmenter(), 5), shaken(segmenter(), 5)
    METHODS[method].actions().apply(model, spec, [random_encoder(CONFIG, seed) for seed in range(takes)])
    x = torch.rand(2, 3, 16, 16)
    for ours, theirs in zip(model.blocks, plain.blocks, strict=True):
        assert torch.equal(ours.relative_bias, theirs.relative_bias)
        scale = ours.ls1[0] if method == "adapters" else ours.ls1
        assert torch.equal(scale.gamma, theirs.ls1.gamma)
        if method == "frozen_pretrained_transformer":
            assert scale.gamma.requires_grad and ours.relative_bias.requires_grad and not ours.mlp.fc1.weight.requires_grad
        assert not torch.equal(ours.mlp.fc1.weight, theirs.mlp.fc1.weight)
    if method == "interpolation":
        mixed = 0.75 * plain.blocks[0].mlp.fc1.weight + 0.25 * random_encoder(CONFIG, 0).blocks[0].mlp.fc1.weight
        torch.testing.assert_close(model.blocks[0].mlp.fc1.weight, mixed)
    assert torch.isfinite(model.eval()(x)).all()
