"""The heads of point clouds: what they compute, against a plain form of the published head, and that they learn."""

import pytest
import torch
from torch.nn import functional

from m2pt.config import ModelConfig, PointInput
from m2pt.modalities.point.heads.point_mae import ClassAndMaxHead, PartHead, part_taps
from m2pt.modalities.shared.features import Features
from m2pt.models.model import Model

CONFIG = ModelConfig(width=24, depth=12, heads=4)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def features(batch=3, points=30, prefix=1):
    x = torch.rand(batch, points, 3) * 2 - 1
    centres = x[:, :5]
    return Features(tuple(torch.randn(batch, prefix + 5, 24) for _ in range(3)), centres, prefix, x)


def shaken(head):
    """A head whose batch norms do something in evaluation too."""
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            for tensor in (module.running_mean, module.weight, module.bias):
                tensor.data.normal_()
            module.running_var.uniform_(0.5, 2)
    return head.eval()


def plain_norm(norm, x):
    shape = (1, -1, 1)[: x.ndim]
    scaled = (x - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
    return scaled * norm.weight.view(shape) + norm.bias.view(shape)


@pytest.mark.parametrize(("depth", "taps"), [(12, (3, 7, 11)), (24, (7, 15, 23)), (4, (0, 1, 3)), (2, (0, 1)), (1, (0,))])
def test_the_taps_are_at_thirds_of_the_depth(depth, taps):
    assert part_taps(depth) == taps
    head = PartHead(ModelConfig(width=8, depth=depth, heads=2), 7, 2)
    assert head.taps == taps
    given = Features(tuple(torch.randn(2, 3, 8) for _ in taps), torch.rand(2, 3, 3), 0, torch.rand(2, 9, 3))
    assert head(given, torch.tensor([0, 1])).shape == (2, 7, 9)


def test_the_part_head_is_the_published_one():
    """Every layer written out: features repeated for every point, convolutions as matrix products, gathered neighbours."""
    head, given = shaken(PartHead(CONFIG, 7, 4)), torch.tensor([2, 0, 3])
    seen = features()
    tokens = torch.cat([tap[:, 1:] for tap in seen.taps], dim=-1)  # (B, N, 3 D)
    gaps = (seen.x.unsqueeze(2) - seen.coordinates_BN3.unsqueeze(1)).square().sum(-1)
    near, which = gaps.sort(dim=-1)
    weights = 1 / (near[..., :3] + 1e-8)
    weights = weights / weights.sum(-1, keepdim=True)
    rows = torch.arange(3)[:, None, None]
    spread = (tokens[rows, which[..., :3]] * weights.unsqueeze(-1)).sum(2)

    state = torch.cat([seen.x, spread], dim=-1).transpose(1, 2)
    for conv, norm in ((head.lift[0], head.lift[1]), (head.lift[3], head.lift[4])):
        state = plain_norm(norm, conv.weight[..., 0] @ state + conv.bias[:, None]).relu()
    told = head.category[0].weight[:, :, 0] @ functional.one_hot(given, 4).float().T  # (64, B)
    told = functional.leaky_relu(plain_norm(head.category[1], told.T), 0.2)
    whole = torch.cat([tokens.max(1).values, tokens.mean(1), told], dim=-1)
    state = torch.cat([state, whole.unsqueeze(-1).repeat(1, 1, 30)], dim=1)
    state = plain_norm(head.joint_norm, head.joint.weight[..., 0] @ state + head.joint.bias[:, None]).relu()
    state = plain_norm(head.out[1], head.out[0].weight[..., 0] @ state + head.out[0].bias[:, None]).relu()
    expected = head.out[3].weight[..., 0] @ state + head.out[3].bias[:, None]
    torch.testing.assert_close(head(seen, given), expected, rtol=1e-4, atol=1e-4)


def test_the_part_head_has_the_published_sizes():
    """Point-MAE's at width 384: 1155 to 1536 to 1024, 3392 to 512 to 256, 16 to 64."""
    head = PartHead(ModelConfig(width=384, depth=12, heads=6), 50, 16)
    sizes = [(p.shape[1], p.shape[0]) for p in head.parameters() if p.ndim == 3]
    assert sizes == [(16, 64), (1155, 1536), (1536, 1024), (3392, 512), (512, 256), (256, 50)]
    assert head.dropout.p == 0.5


def test_the_part_head_needs_a_category_and_heeds_it():
    head, seen = shaken(PartHead(CONFIG, 7, 4)), features()
    with pytest.raises(ValueError, match="needs the object category"):
        head(seen, None)
    assert not torch.allclose(head(seen, torch.tensor([0, 0, 0])), head(seen, torch.tensor([1, 1, 1])))


def test_class_tokens_are_no_place():
    head, seen = shaken(PartHead(CONFIG, 7, 4)), features(prefix=2)
    bare = Features(tuple(tap[:, 2:] for tap in seen.taps), seen.coordinates_BN3, 0, seen.x)
    given = torch.tensor([0, 1, 2])
    assert torch.equal(head(seen, given), head(bare, given))


def test_the_head_for_classes_is_the_published_one():
    head, x = shaken(ClassAndMaxHead(24, 5)), torch.randn(4, 48)
    state = plain_norm(head[1], x @ head[0].weight.T + head[0].bias).relu()
    state = plain_norm(head[5], state @ head[4].weight.T + head[4].bias).relu()
    torch.testing.assert_close(head(x), state @ head[8].weight.T + head[8].bias, rtol=1e-4, atol=1e-5)
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2 + ["Linear"]
    assert (head[0].out_features, head[4].out_features, head[3].p, head[7].p) == (256, 256, 0.5, 0.5)


def test_the_part_head_learns_parts():
    """Two kinds of solids whose upper and lower halves are their parts, told by coordinates and category alone."""
    head = PartHead(ModelConfig(width=12, depth=3, heads=2), 4, 2)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    losses = []
    for step in range(25):
        generator = torch.Generator().manual_seed(step)
        x = torch.rand(8, 24, 3, generator=generator) * 2 - 1
        given = torch.arange(8) % 2
        y = (x[..., 1] > 0).long() + 2 * given[:, None]
        seen = Features(tuple(torch.randn(8, 6, 12, generator=generator) for _ in range(3)), x[:, :6], 0, x)
        loss = functional.cross_entropy(head(seen, given), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.2 and losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(("head", "categories"), [("part_segmentation", 2), ("class_and_max", 0)])
def test_a_model_with_these_heads_trains(head, categories):
    config = PointInput(points=48, groups=6, neighbours=8)
    model = Model("point", config, ModelConfig(width=12, depth=3, heads=2), 4, head=head, num_categories=categories)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 48, 3, generator=generator) * 2 - 1
    x[4:, :, 0] *= 0.2
    given = torch.arange(8) // 4
    y = (x[..., 1] > 0).long() + 2 * given[:, None] if categories else given
    losses = []
    for _ in range(10):
        outputs = model(x, given) if categories else model(x)
        loss = functional.cross_entropy(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())
