"""The detector on a plain ViT."""

import numpy as np
import pytest
import torch
from torch.optim import AdamW

from m2pt.config import ImageInput, ModelConfig, VideoInput
from m2pt.config.base import UserError
from m2pt.layers import RowNoise
from m2pt.modalities.image.heads.mask_rcnn import DETECTIONS, MASK_SIDE, TOLD, MaskRCNNHead
from m2pt.modalities.image.heads.sampling import Sampler
from m2pt.modalities.image.transforms.instances import packed
from m2pt.models.model import Model

INPUT = ImageInput(form="published", size=64, channels=3, patch=8, mean=(0.5,), std=(0.5,))
SMALL = ModelConfig(width=24, depth=1, heads=2)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model("image", INPUT, SMALL, 3, head="mask_rcnn")


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures, with two objects and with none."""
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 8:40, 4:30] = True
    masks[1, 30:50, 30:64] = True
    objects = packed(list(masks), [0, 2], 64)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return x, torch.stack([objects, torch.zeros_like(objects)])


def test_the_losses_of_a_picture_do_not_depend_on_what_it_is_computed_with(model):
    x, objects = pictures()
    noise = RowNoise(7, 2, torch.arange(2))
    model.train()
    with torch.no_grad():
        model.draw(noise, x.device)
        together = model(x, objects)
        alone = []
        for row in range(2):
            model.draw(noise.part(row, row + 1), x.device)
            alone.append(model(x[row : row + 1], objects[row : row + 1]))
        model.draw(RowNoise(8, 2, torch.arange(2)), x.device)
        other = model(x, objects)
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
    assert not torch.allclose(together, other, atol=1e-6), "other draws take other anchors and regions"
    assert together.shape == (2, 5) and torch.isfinite(together).all()
    assert (together[0] > 0).all()
    assert together[1, [1, 3, 4]].tolist() == [0, 0, 0], "nothing to place or to draw where there is no object"


def test_every_weight_has_a_gradient_even_without_an_object(model):
    x, objects = pictures()
    model.train()
    model(x[1:], objects[1:]).sum().backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []
    model.zero_grad()


def test_detections_lie_within_their_picture_and_come_best_first(model):
    x, _ = pictures()
    model.eval()
    with torch.no_grad():
        detections = model(x, torch.tensor([[90, 180, 32, 64], [64, 64, 64, 64]]))
        square = torch.full((2, 4), 64)
        assert torch.equal(model(x), model(x, square)), "nothing given: the whole square is the picture"
    assert detections.shape == (2, DETECTIONS, TOLD + MASK_SIDE**2)
    for row, high in zip(detections, (32, 64), strict=True):
        told = row[row[:, 0] > 0]
        assert len(told) > 0 and (told[:, 0].diff() <= 0).all()
        assert (told[:, 2:4] >= 0).all() and (told[:, 4] <= 64).all() and (told[:, 5] <= high).all()
        assert set(told[:, 1].tolist()) <= {0.0, 1.0, 2.0}
        assert (told[:, TOLD:] >= 0).all() and (told[:, TOLD:] <= 1).all()


def test_what_the_convolutions_say_changes_little_with_the_weights(model):
    x, _ = pictures()
    model.eval()
    with torch.no_grad():
        before = model.head.undecided(model.features(x), 1, 1)
        weight = model.blocks[0].mlp.fc1.weight
        weight += 1e-7
        after = model.head.undecided(model.features(x), 1, 1)
        weight -= 1e-7
    assert before.shape[0] == 2 and 0 < (before - after).abs().max() < 1e-3


def test_the_detector_has_neither_a_class_token_nor_the_encoders_norm(model):
    names = dict(model.named_parameters())
    assert "tokenizer.class_token" not in names and not any(name.startswith("norm.") for name in names)
    assert model.features(torch.rand(1, 3, 64, 64)).num_prefix == 0
    with pytest.raises(UserError, match="'mask_rcnn' finds objects in images"):
        MaskRCNNHead(SMALL, VideoInput(), 3)


def test_vit_b_has_the_anchors_and_layers_of_the_release():
    with torch.device("meta"):
        head = MaskRCNNHead(ModelConfig(width=768, depth=12, heads=12), INPUT.model_copy(update={"patch": 16}), 80)
    assert head.proposals.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    assert head.taps == (11,)
    shapes = {name: tuple(weight.shape) for name, weight in head.named_parameters()}
    assert shapes["regions.box_head.5.weight"] == (1024, 256 * 49)
    assert shapes["regions.box_predictor.cls_score.weight"] == (81, 1024)
    assert shapes["regions.mask_predictor.mask_fcn_logits.weight"] == (81, 256, 1, 1)
    assert shapes["pyramid.rescale.0.3.weight"] == (384, 192, 2, 2)
    assert sum("proposals.head.conv" in name and name.endswith("weight") for name in shapes) == 2


def test_a_sample_has_the_wanted_share_of_objects():
    sampler = Sampler("regions", 8, 0.25)
    labels = torch.tensor([1] * 5 + [0] * 20 + [-1] * 5)
    (positive,), (negative,) = sampler([labels])
    assert (int(positive.sum()), int(negative.sum())) == (2, 6)
    assert not (positive.bool() & (labels != 1)).any() and not (negative.bool() & (labels != 0)).any()
    few = sampler([torch.tensor([1, 0, 0])])
    assert (int(few[0][0].sum()), int(few[1][0].sum())) == (1, 2), "all there are"


@pytest.mark.patient
@pytest.mark.timeout(900)
def test_it_learns_to_see_a_square():
    """A bright square at a random place on a dark ground: after a few hundred steps its box and its mask are known."""
    torch.manual_seed(0)
    model = Model("image", INPUT.model_copy(update={"size": 32}), ModelConfig(width=48, depth=2, heads=4), 1, head="mask_rcnn")
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    rng = np.random.default_rng(0)

    def sample() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        side = int(rng.integers(10, 20))
        left, top = (int(place) for place in rng.integers(0, 32 - side, 2))
        mask = np.zeros((32, 32), bool)
        mask[top : top + side, left : left + side] = True
        x = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(int(rng.integers(1 << 30)))) * 0.3
        x[:, torch.from_numpy(mask)] += 0.6
        return x, packed([mask], [0], 32), [left, top, left + side, top + side]

    for number in range(150):
        batch = [sample() for _ in range(2)]
        model.draw(RowNoise(number, 2, torch.arange(2)), torch.device("cpu"))
        losses = model(torch.stack([x for x, _, _ in batch]), torch.stack([y for _, y, _ in batch]))
        optimizer.zero_grad()
        losses.sum(dim=1).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    overlaps = []
    for _ in range(8):
        x, _, (left, top, right, bottom) = sample()
        with torch.no_grad():
            best = model(x[None])[0, 0]
        wide = max(0.0, min(right, float(best[4])) - max(left, float(best[2])))
        high = max(0.0, min(bottom, float(best[5])) - max(top, float(best[3])))
        area = float((best[4] - best[2]) * (best[5] - best[3]))
        overlaps.append(wide * high / ((right - left) * (bottom - top) + area - wide * high))
        assert best[TOLD:].mean() > 0.7, "the square fills its box"
    assert np.mean(overlaps) > 0.7
