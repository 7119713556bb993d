"""A step of our trainer, and what a person would write in its place."""

from collections.abc import Callable, Iterator

import torch
from timm.layers.drop import DropPath as TimmDropPath
from torch import nn

from benchmarks.measuring.fixtures import Setup, model_of, samples_of, trainer_of
from m2pt.config import PathwayConfig
from m2pt.modalities.registry import SPECS
from m2pt.models.drop_path import DropPath
from m2pt.runs.spec import RunSpec
from m2pt.training.optim import build_optimizer
from m2pt.training.precision import autocast


def our_step(
    spec: RunSpec, setup: Setup, *, deterministic: bool = False, joined: bool = False, batches: int = 4
) -> Callable[[], None]:
    """A step of our trainer, of epochs of so many batches, without end."""
    samples = samples_of(spec.input, spec.finetune.batch_size * batches, seed=0)
    one = trainer_of(spec, "trainable" if joined else "plain", samples, setup)

    def steps() -> Iterator[int]:
        while True:
            yield from one.epoch()
            one.progress.step = 0

    turning = steps()

    def step() -> None:
        torch.use_deterministic_algorithms(deterministic)
        next(turning)

    return step


def step_by_hand(spec: RunSpec, setup: Setup, batches: int = 4) -> Callable[[], None]:
    """What a person would write: the same model, optimizer, loss, samples, augmentation and precision, and timm's stochastic
    depth. It counts no loss and no correct sample, so what those take is ours.
    """
    recipe, augment = spec.finetune, SPECS[spec.modality].parts().augment
    model = model_of(spec, "plain").to(setup.device).train()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, DropPath):
                setattr(module, name, TimmDropPath(child.rate))
    optimizer, schedule = build_optimizer(model, recipe, 200, PathwayConfig())
    samples = samples_of(spec.input, recipe.batch_size * batches, seed=0)
    place, order, generator = 0, torch.randperm(len(samples.y)), torch.Generator().manual_seed(0)

    def step() -> None:
        nonlocal place
        torch.use_deterministic_algorithms(False)
        chosen = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        x = augment(samples.x[chosen], generator) if recipe.augment else samples.x[chosen]
        x, y = x.to(setup.device), samples.y[chosen].to(setup.device)
        place = (place + 1) % batches
        schedule.apply(optimizer, place)
        optimizer.zero_grad(set_to_none=True)
        with autocast(recipe.precision, setup.device):
            logits = model(x)
        loss = nn.functional.cross_entropy(logits.float(), y, label_smoothing=recipe.label_smoothing)
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()

    return step
