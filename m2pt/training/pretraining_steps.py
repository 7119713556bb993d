"""The steps of a pretraining, and the saving between them; it can stop after any step and resume to exactly the same numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from m2pt.config import LabelPretrain, MaePretrain, ProceduralPretrain
from m2pt.runs.identity import derived_seed, run_id
from m2pt.runs.spec import PretrainSpec
from m2pt.training.checkpoint import Clock, load_checkpoint, save_checkpoint
from m2pt.training.finite import NotFiniteError, diverged, faulty, refuse_weights
from m2pt.training.journal import Journal
from m2pt.training.optim import build_optimizer, clip_gradients, rates
from m2pt.training.stopping import Stop, StoppedError
from m2pt.training.stopwatch import Stopwatch

Recipe = MaePretrain | LabelPretrain | ProceduralPretrain

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]
"""Draws a batch, samples and labels, with the generator of a step, which then also serves the loss."""

STEPS_PER_LINE = 50
"""Steps between two lines of a pretraining's history, which calls each such stretch an epoch."""


@dataclass(frozen=True)
class Course:
    """Where a pretraining computes and keeps what it does, what measures its time, and what ends it before its end."""

    run_dir: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    watch: Stopwatch = field(default_factory=Stopwatch)
    stop: Stop = field(default_factory=Stop)
    checkpoint_every_seconds: float | None = None


def do_steps(
    spec: PretrainSpec,
    model: nn.Module,
    recipe: Recipe,
    draw: Draw,
    loss_of: Any,
    validate: Callable[[], dict[str, float]],
    course: Course,
) -> list[dict[str, Any]]:
    """Train for the fixed number of steps, one history line and one checkpoint per stretch; returns the history."""
    optimizer, schedule = build_optimizer(model, recipe, recipe.steps)
    state = load_checkpoint(course.run_dir, course.device) or {"history": []}
    if "model" in state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    journal, clock = Journal(course.run_dir, state["history"]), Clock(course.checkpoint_every_seconds)
    first = journal.lines[-1]["step"] if journal.lines else 0
    done, total = state.get("within", (0, 0.0))  # the steps of a stretch that was left in its middle, and their summed losses

    def save() -> None:
        trained = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        save_checkpoint(course.run_dir, trained | {"history": journal.lines, "within": (done, total)})
        clock.reset()

    for start in range(first, recipe.steps, STEPS_PER_LINE):
        stop = min(start + STEPS_PER_LINE, recipe.steps)
        with course.watch.measure("train"):
            for step in range(start + done, stop):
                total += _step(spec, model, recipe, draw, loss_of, optimizer, schedule, step)
                done += 1
                stops = course.stop.asked  # looked at once: what is asked after the saving waits for the next step
                if stops or clock.due:
                    save()
                if stops:
                    raise StoppedError
        with course.watch.measure("evaluate"):
            scores = _validated(spec, model, validate, stop)
        line = {"epoch": len(journal.lines) + 1, "step": stop} | rates(optimizer, model)
        journal.append(line | {"train/loss": total / done} | scores)
        done, total = 0, 0.0
        save()
    return journal.lines


def _validated(spec: PretrainSpec, model: nn.Module, validate: Callable[[], dict[str, float]], step: int) -> dict[str, float]:
    """The validation scores after a step. Raises `UserError` if they, or the weights, are not finite."""
    where = f"{run_id(spec)}, after step {step}"
    refuse_weights(model, where)
    try:
        scores = validate()
    except NotFiniteError as error:
        raise diverged(f"{where}: {error}") from error
    for name, score in scores.items():
        if not math.isfinite(score):
            raise diverged(f"{where}: {name} is {score}")
    return scores


def _step(
    spec: PretrainSpec,
    model: nn.Module,
    recipe: Recipe,
    draw: Draw,
    loss_of: Any,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    step: int,
) -> float:
    schedule.apply(optimizer, step)
    noise = torch.Generator().manual_seed(derived_seed(spec.seed, "batch", spec.modality, step))
    x, y = draw(noise)
    loss = loss_of(x, y, noise)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise diverged(f"{run_id(spec)}, step {step + 1}: the training loss is {value}", faulty_inputs=faulty(x))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clip_gradients(model.parameters(), recipe.clip_norm)
    optimizer.step()
    return value
