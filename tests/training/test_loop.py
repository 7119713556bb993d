"""One batch, however it is computed: what batch norm and mixing see follows from the recipe alone."""

import copy

import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup
from torch.nn import functional

from m2pt.config import FinetuneConfig, ImageInput
from m2pt.modalities.shared.samples import Samples
from m2pt.runs.identity import derived_seed
from m2pt.training.feeds import MemoryFeed
from m2pt.training.finetune import build
from m2pt.training.loop import Trainer
from m2pt.training.places import Places
from m2pt.training.share import Share
from tests.specs import run_spec

INPUT = ImageInput(form="published", size=16, patch=8)
ALONE = {"method": "baseline", "auxiliary": "", "pathway": None, "target_weights": None, "auxiliary_weights": None}


def samples(count: int) -> Samples:
    generator = torch.Generator().manual_seed(1)
    return Samples(torch.rand(count, 1, 16, 16, generator=generator), torch.arange(count) % 3, ("a", "b", "c"))


def started(recipe: FinetuneConfig, tuning: str = "full", count: int = 48, micro_batch: int | None = None):
    spec = run_spec(**ALONE, setting="scratch", tuning=tuning, input=INPUT, finetune=recipe)
    feed = MemoryFeed(spec, samples(count), {"val": samples(6), "test": samples(6)}, Share())
    model = build(spec, Places(), 3)
    return spec, feed, Trainer(spec, model, feed, torch.device("cpu"), micro_batch=micro_batch)


PROBE = FinetuneConfig(
    samples="all", epochs=2, batch_size=24, warmup_steps=0, head="class_token", norm_rows=8, label_smoothing=0.0, augment=False,
    weight_decay=0.0, learning_rate=0.01,
)  # fmt: skip


def test_a_linear_probe_is_the_loop_of_the_release():
    """Batch norm in each micro-batch of 8 rows, gradients of three of them accumulated for a step; two epochs of two steps."""
    _, feed, trainer = started(PROBE, tuning="fix")
    plain = copy.deepcopy(trainer.model)
    plain.head[0] = torch.nn.BatchNorm1d(24, affine=False, eps=1e-6)
    optimizer = torch.optim.AdamW(plain.head.parameters(), weight_decay=0.0)
    for epoch in (1, 2):
        plain.train()
        for step, batch in enumerate(feed.train(epoch, 0)):
            optimizer.param_groups[0]["lr"] = trainer.schedule.rate((epoch - 1) * 2 + step)
            optimizer.zero_grad()
            for x, y in zip(batch.item["x"].split(8), batch.item["y"].split(8), strict=True):
                (functional.cross_entropy(plain(x), y) / 3).backward()
            optimizer.step()
        for _ in trainer.epoch():
            pass
        trainer.next_epoch()
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, trainer.model.state_dict()[name], atol=1e-5), name
    assert int(trainer.model.state_dict()["head.0.num_batches_tracked"]) == 12


@pytest.mark.parametrize("micro_batch", [1, 8, 20, 24, 1000])
def test_how_much_a_device_takes_at_once_changes_no_batch_norm(micro_batch):
    """A group is never split, also where fewer rows are asked for than it has."""
    states = []
    for size in (None, micro_batch):
        _, _, trainer = started(PROBE, tuning="fix", micro_batch=size)
        for _ in trainer.epoch():
            pass
        states.append(trainer.model.state_dict())
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=1e-6), name


@pytest.mark.parametrize("micro_batch", [None, 7])
def test_every_group_of_rows_is_mixed_as_timm_mixes_a_batch_of_its_own(micro_batch, monkeypatch):
    recipe = FinetuneConfig(samples="all", epochs=1, batch_size=24, mixup=0.8, cutmix=1.0, mixing_rows=8, augment=False)
    spec, feed, trainer = started(recipe, micro_batch=micro_batch)
    seen, part = [], trainer._part
    monkeypatch.setattr(trainer, "_part", lambda rows: (seen.append((rows.x.clone(), rows.y.clone())), part(rows)))
    for _ in trainer.epoch():
        pass
    known = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, switch_prob=0.5, label_smoothing=0.1, num_classes=3)
    expected = []
    for step, batch in enumerate(feed.train(1, 0)):
        for group, (x, y) in enumerate(zip(batch.item["x"].split(8), batch.item["y"].split(8), strict=True)):
            np.random.seed(derived_seed(spec.seed, "mixup", spec.target, 1, step, group) % 2**32)  # noqa: NPY002
            expected.append(known(x.clone(), y))
    for index in (0, 1):
        assert torch.equal(torch.cat([item[index] for item in seen]), torch.cat([item[index] for item in expected]))
    weights = {round(float(row.max()), 4) for row in torch.cat([soft for _, soft in expected])}
    assert len(weights) > 2, "groups have weights of their own"
