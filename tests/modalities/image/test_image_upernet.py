"""UperNet: shapes, taps, learning a toy scene, and a batch of one."""

import pytest
import torch
from torch import nn

from m2pt.config import AudioInput, ImageInput, ModelConfig, UserError
from m2pt.modalities.image.heads.upernet import UperNetHead
from m2pt.modalities.shared.features import Features
from m2pt.models.model import Model

TINY = ModelConfig(width=24, depth=4, heads=2)
INPUT = ImageInput(size=32, channels=3, patch=8)


def features(batch, grid=(4, 4), prefix=1, taps=4, width=24, patch=8):
    high, wide = grid
    values = tuple(torch.randn(batch, prefix + high * wide, width) for _ in range(taps))
    return Features(values, torch.zeros(batch, high * wide, 3), prefix, torch.zeros(batch, 3, high * patch, wide * patch))


@pytest.mark.parametrize(
    ("depth", "taps"),
    [(12, (3, 5, 7, 11)), (24, (7, 11, 15, 23)), (4, (0, 1, 2, 3)), (2, (0, 1)), (1, (0,))],
)
def test_taps(depth, taps):
    head = UperNetHead(ModelConfig(width=24, depth=depth, heads=2), INPUT, 3)
    assert head.taps == taps
    assert head(features(2, taps=len(taps)), None).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (2, 2), (1, 1)])
@pytest.mark.parametrize("batch", [1, 2])
def test_any_grid_and_a_batch_of_one_in_training(grid, batch):
    torch.manual_seed(0)
    head = UperNetHead(TINY, INPUT, 5).train()
    outputs = head(features(batch, grid), None)
    assert outputs.shape == (batch, 5, grid[0] * 8, grid[1] * 8)
    outputs.sum().backward()
    assert torch.isfinite(outputs).all()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_class_tokens_are_left_out_and_places_kept():
    """Each pixel follows the tokens of its own place: a change in one corner is strongest there."""
    torch.manual_seed(0)
    head = UperNetHead(TINY, INPUT, 5).eval()
    before = features(1, grid=(8, 8))
    changed = [tap.clone() for tap in before.taps]
    for tap in changed:
        tap[:, 0] += 100  # the class token
    assert torch.equal(head(before, None), head(Features(tuple(changed), before.coordinates_BN3, 1, before.x), None))
    for tap in changed:
        tap[:, 1 + 7] += 5  # the last patch of the first row: top right
    after = head(Features(tuple(changed), before.coordinates_BN3, 1, before.x), None)
    difference = (after - head(before, None)).detach().abs().sum(dim=1)[0]
    corners = {name: float(difference[rows, columns].mean()) for name, rows, columns in (
        ("top left", slice(0, 16), slice(0, 16)), ("top right", slice(0, 16), slice(48, 64)),
        ("bottom left", slice(48, 64), slice(0, 16)), ("bottom right", slice(48, 64), slice(48, 64)),
    )}  # fmt: skip
    assert max(corners, key=corners.get) == "top right"
    assert corners["top right"] > 3 * corners["bottom left"]


def test_it_learns_a_toy_scene():
    """Squares in front of a ground, seen through the whole model."""
    torch.manual_seed(0)
    model = Model("image", INPUT, TINY, 2, head="upernet")
    generator = torch.Generator().manual_seed(1)
    x = 0.1 * torch.rand(8, 3, 32, 32, generator=generator)
    y = torch.zeros(8, 32, 32, dtype=torch.int64)
    for index in range(8):
        top, left = torch.randint(0, 20, (2,), generator=generator).tolist()
        x[index, :, top : top + 12, left : left + 12] += 0.8
        y[index, top : top + 12, left : left + 12] = 1
    y[:, :2] = -1
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        outputs = model(x)
        loss = nn.functional.cross_entropy(outputs, y, ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
    model.eval()
    with torch.no_grad():
        predicted = model(x).argmax(dim=1)
    counted = y >= 0
    assert (predicted == y)[counted].float().mean() > 0.9


def test_it_is_for_images():
    with pytest.raises(UserError, match="'upernet' labels the pixels of images"):
        UperNetHead(TINY, AudioInput(), 3)


def test_the_side_head_is_a_small_convolutional_one_on_the_third_map():
    """mmsegmentation's FCNHead: one 3 x 3 convolution to 256 channels with batch norm and ReLU, channel dropout, a classifier."""
    torch.manual_seed(0)
    head = UperNetHead(TINY, INPUT, 5, side_head=True)
    plain = UperNetHead(TINY, INPUT, 5)
    assert head.state_dict().keys() - plain.state_dict().keys() == {
        "side.0.convolution.weight", "side.2.weight", "side.2.bias",
        *(f"side.0.norm.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
    }  # fmt: skip
    seen = features(3)
    head.train()
    for module in head.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    logits, side = head(seen, None)
    map_BDHW = seen.taps[2][:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    hidden = nn.functional.conv2d(map_BDHW, head.side[0].convolution.weight, padding=1)
    assert hidden.shape == (3, 256, 4, 4)
    mean, spread = hidden.mean(dim=(0, 2, 3), keepdim=True), hidden.var(dim=(0, 2, 3), unbiased=False, keepdim=True)
    hidden = ((hidden - mean) / (spread + 1e-5).sqrt()).relu()
    expected = nn.functional.conv2d(hidden, head.side[2].weight, head.side[2].bias)
    expected = nn.functional.interpolate(expected, size=(32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(side, expected, atol=1e-5, rtol=1e-4)
    assert logits.shape == side.shape
    assert isinstance(head.eval()(seen, None), torch.Tensor)
    assert isinstance(plain.train()(seen, None), torch.Tensor)


def test_the_side_head_is_upernets():
    with pytest.raises(UserError, match=r"finetune\.side_loss: the head 'mean' has no side head"):
        Model("image", INPUT, TINY, 2, side_head=True)
