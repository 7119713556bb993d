"""What a method minimises in a step with samples of the auxiliary's modality, beside or before the loss of the target's task."""

from collections.abc import Iterator

import torch
from torch import Tensor

from m2pt.layers import RowNoise, moved
from m2pt.methods import METHODS
from m2pt.models.drop_path import draw_paths, paths_of
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed
from m2pt.runs.spec import RunSpec
from m2pt.training.draw import balanced
from m2pt.training.feeds import AuxiliaryFeed, Feed
from m2pt.training.goals import loss_of
from m2pt.training.precision import autocast


def aligns(spec: RunSpec, step: int) -> bool:
    """Whether a step, counted from 0 over the run, belongs to the alignment, in which the task's loss is not minimised."""
    return "alignment_steps" in METHODS[spec.method].rivals and spec.rivals is not None and step < spec.rivals.alignment_steps


def ends_alignment(spec: RunSpec, step: int) -> bool:
    """Whether a step is the first after the alignment, if there was one."""
    return step > 0 and aligns(spec, step - 1) and not aligns(spec, step)


def losses_beside(
    model: Model, spec: RunSpec, feed: Feed, step: int, device: torch.device, micro_batch: int | None
) -> Iterator[Tensor]:
    """The losses () of a step whose gradients are to be added up; none if the method does not use the samples in this step."""
    if METHODS[spec.method].reads_auxiliary_samples and feed.auxiliary is None:
        raise ValueError(f"{spec.method} needs samples of the auxiliary's modality")
    if feed.auxiliary is None:
        return
    if aligns(spec, step):
        yield _distance(model, spec, feed, feed.auxiliary, step, device)
    elif METHODS[spec.method].actions().auxiliary_outputs is not None:
        yield from _auxiliary_losses(model, spec, feed.auxiliary, step, device, micro_batch)


def _auxiliary_losses(
    model: Model, spec: RunSpec, feed: AuxiliaryFeed, step: int, device: torch.device, micro_batch: int | None
) -> Iterator[Tensor]:
    """The weighted loss of the step's batch of the auxiliary's modality, in parts that add up to the mean."""
    outputs_of, settings = METHODS[spec.method].actions().auxiliary_outputs, spec.rivals
    if outputs_of is None or settings is None:
        raise ValueError(f"{spec.method} does not train on the auxiliary's labels")
    batch = feed.batch(step)
    x, y = (moved(batch.item[name], device) for name in ("x", "y"))
    noise = RowNoise(spec.seed, batch.total, batch.rows, ("auxiliary noise", step))
    size, paths = micro_batch or batch.total, paths_of(model)
    for start in range(0, batch.total, size):
        draw_paths(paths, noise.part(start, start + size), device)
        with autocast(spec.finetune.precision, device):
            outputs = outputs_of(model, x[start : start + size])
        losses = loss_of(spec.finetune, "classification", outputs.float(), y[start : start + size])
        yield settings.joint_weight * losses.sum() / batch.total


def _distance(model: Model, spec: RunSpec, feed: Feed, auxiliary: AuxiliaryFeed, step: int, device: torch.device) -> Tensor:
    """The distance between samples of both modalities, drawn with balanced classes from the run's seed and the step."""
    actions, pool = METHODS[spec.method].actions(), feed.pool
    if actions.alignment is None or pool is None:
        raise ValueError(f"{spec.method} cannot align samples that are not in memory")
    drawn = []
    for name, samples in ((spec.target, pool), (spec.auxiliary, auxiliary.samples)):
        count = min(actions.alignment_rows, len(samples.y))
        chosen = balanced(samples.y, count, derived_seed(spec.seed, "alignment", name, step))
        drawn += [moved(samples.x[chosen], device), moved(samples.y[chosen], device)]
    return actions.alignment(model, *drawn)
