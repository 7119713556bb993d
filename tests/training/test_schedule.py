"""The learning rate of every step, beside what the releases do."""

import math

import pytest
import torch
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler

from m2pt.config import FinetuneConfig, MaePretrain
from m2pt.modalities.image.recipes import RECIPES
from m2pt.training.optim import build_optimizer


def rates(recipe: FinetuneConfig | MaePretrain, steps: int) -> list[float]:
    optimizer, schedule = build_optimizer(torch.nn.Linear(2, 2), recipe, steps)
    found = []
    for step in range(steps):
        schedule.apply(optimizer, step)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def optimizer_at(rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(torch.nn.Linear(2, 2).parameters(), lr=rate)


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_by_step_it_is_what_timm_gives_with_the_warm_up_in_front(decay):
    recipe = FinetuneConfig(epochs=10, warmup_epochs=2.0, learning_rate=3e-3, final_learning_rate=1e-5, decay=decay)
    optimizer = optimizer_at(3e-3)
    form = {"lr_min": 1e-5, "warmup_t": 20, "warmup_prefix": True, "t_in_epochs": False}
    known = (CosineLRScheduler if decay == "cosine" else PolyLRScheduler)(
        optimizer, t_initial=80, **form, **({} if decay == "cosine" else {"power": 1.0})
    )
    found = rates(recipe, 100)
    for step in range(100):
        known.step_update(step)
        assert found[step] == optimizer.param_groups[0]["lr"], "bit for bit: numbers of finished studies follow from it"


def test_by_step_it_can_fall_in_steps_as_detectron2s():
    """ViTDet's `WarmupParamScheduler` over `MultiStepParamScheduler`: of 184,375 steps, drops at 163,889 and 177,546."""
    recipe = RECIPES["vitdet-coco"].finetune
    _, schedule = build_optimizer(torch.nn.Linear(2, 2), recipe, 184_375)
    assert schedule.rate(0) == pytest.approx(1e-7)
    assert schedule.rate(125) == pytest.approx(1e-4 * (0.001 + (1 - 0.001) / 2))
    assert [schedule.rate(step) for step in (250, 163_888)] == [1e-4, 1e-4]
    assert [schedule.rate(step) for step in (163_889, 177_545)] == pytest.approx([1e-5, 1e-5])
    assert [schedule.rate(step) for step in (177_546, 184_374)] == pytest.approx([1e-6, 1e-6])


def test_by_step_it_is_maes():
    """MAE's util/lr_sched.py: a linear rise with the fraction of the epochs of warm-up, then half a cosine to the least rate."""
    recipe = FinetuneConfig(epochs=100, warmup_epochs=5.0, batch_size=1024, learning_rate=5e-4, learning_rate_per=256)
    recipe = recipe.model_copy(update={"final_learning_rate": 1e-6})
    for step, found in enumerate(rates(recipe, 400)):
        epoch = step / 4
        expected = 2e-3 * epoch / 5
        if epoch >= 5:
            expected = 1e-6 + (2e-3 - 1e-6) * 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 95))
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("epochs", "tail"), [(301, 1), (300, 0)], ids=["classification", "segmentation"])
def test_by_epoch_it_is_point_maes_loop(epochs, tail):
    """Its runner trains an epoch and then steps timm's schedule, in epochs, with that epoch's number: so it is one late."""
    recipe = FinetuneConfig(
        epochs=epochs, schedule_by="epoch", schedule_tail=tail, warmup_epochs=10.0, warmup_start=1e-6,
        learning_rate=5e-4, final_learning_rate=1e-6,
    )  # fmt: skip
    optimizer = optimizer_at(5e-4)
    known = CosineLRScheduler(
        optimizer, t_initial=300, lr_min=1e-6, warmup_lr_init=1e-6, warmup_t=10, cycle_limit=1, t_in_epochs=True
    )
    found = rates(recipe, epochs * 3)
    for epoch in range(epochs):
        expected = optimizer.param_groups[0]["lr"]
        assert found[3 * epoch : 3 * epoch + 3] == pytest.approx([expected] * 3, rel=1e-12), f"epoch {epoch}"
        known.step(epoch)


def test_the_warm_up_begins_where_the_recipe_says():
    recipe = FinetuneConfig(epochs=10, warmup_epochs=2.0, learning_rate=1e-3, warmup_start=1e-4)
    found = rates(recipe, 100)
    assert found[0] == pytest.approx(1e-4)
    assert found[10] == pytest.approx(5.5e-4)
    assert found[20] == max(found) == pytest.approx(1e-3)


def test_pretraining_warms_up_and_decays_to_nothing():
    found = rates(MaePretrain(steps=50, batch_size=4, warmup_steps=5), 50)
    assert found[0] == 0 and found[5] == max(found) == 1e-3
    assert 0 < found[49] < 1e-5


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"schedule_by": "epoch"}, "schedule_by: epoch needs warmup_epochs"),
        ({"schedule_tail": 3}, "schedule_tail: is for schedule_by: epoch"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        FinetuneConfig(**values)
