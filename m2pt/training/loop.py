"""The training of one model, step by step; it can stop after any step and resume to exactly the numbers it would have reached.

Every random draw follows from (seed, purpose, epoch, step, row), so the number of processes, an interruption, and the size of the
parts in which a batch is computed change no more than the order of sums.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from m2pt.joining.sums import summed_layers, summed_once
from m2pt.layers import RowNoise, moved
from m2pt.methods import METHODS
from m2pt.models.drop_path import draw_paths, paths_of
from m2pt.models.heads import GroupedBatchNorm
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed, run_id
from m2pt.runs.spec import RunSpec
from m2pt.training.beside import aligns, ends_alignment, losses_beside
from m2pt.training.feeds import Batch, Feed
from m2pt.training.finite import diverged, refuse_weights
from m2pt.training.goals import training_loss
from m2pt.training.mixing import Mixing
from m2pt.training.optim import build_optimizer, clip_gradients, rates
from m2pt.training.precision import autocast, gradient_scaler, half
from m2pt.training.share import Share
from m2pt.training.tally import Measured, Tally


@dataclass
class Progress:
    """The progress of a training: `step` steps of `epoch` are done; the other numbers are sums over them in this process.

    `skipped` of these steps changed no weight, because gradients overflowed in fp16; all processes skip the same ones. `added` is
    the loss that the method adds to that of the task.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    samples: int = 0
    skipped: int = 0
    added: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Rows of a batch on the device: inputs `x`, targets `y` (soft if mixed), `labels`, what else is `given`, and noise."""

    x: Tensor
    y: Tensor
    labels: Tensor
    given: Tensor | None
    noise: RowNoise

    def part(self, start: int, stop: int) -> "Rows":
        """Some of the rows, for a step of gradient accumulation."""
        rows = slice(start, stop)
        given = None if self.given is None else self.given[rows]
        return Rows(self.x[rows], self.y[rows], self.labels[rows], given, self.noise.part(start, stop))


@dataclass
class Trainer:
    """Trains `model` on `feed`. `micro_batch` is the maximum number of rows computed at once (None: all of them)."""

    spec: RunSpec
    model: Model
    feed: Feed
    device: torch.device
    share: Share = field(default_factory=Share)
    micro_batch: int | None = None
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        recipe = self.spec.finetune
        if self.share.world > 1 and self.device.type == "cuda":
            self.model = cast(Model, nn.SyncBatchNorm.convert_sync_batchnorm(self.model))
        self.steps = self.feed.steps_per_epoch
        self.optimizer, self.schedule = build_optimizer(self.model, recipe, recipe.epochs * self.steps, self.spec.pathway)
        self.scaler = gradient_scaler(recipe.precision, self.device)
        self.average = ModelEmaV3(self.model, decay=recipe.average_decay) if recipe.average_decay else None
        self._forward = _parallel(self.model, self.share, compiled=recipe.compiled)
        self._mixing = Mixing(self.spec, len(self.feed.classes)) if recipe.mixes else None
        self._tally = Tally(self.device)
        self._method = METHODS[self.spec.method]
        self._added_loss = self._method.actions().added_loss
        self._counts_correct = self.spec.goal == "classification" and not recipe.mixes and not recipe.mixes_before
        modules = list(self.model.modules())
        self._group_norms = [each for each in modules if isinstance(each, GroupedBatchNorm)]
        self._paths = paths_of(self.model)
        # Where processes exchange gradients, or the step is compiled, the sums of a pathway have to be part of the forward pass.
        self._summed = [] if recipe.compiled or self.share.world > 1 else summed_layers(self.model)
        self._has_dropout = any(isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0 for module in modules)

    @property
    def scored(self) -> Model:
        """The model whose scores count: the moving average of the weights if the recipe keeps one."""
        return cast(Model, self.average.module) if self.average else self.model

    def epoch(self) -> Iterator[int]:
        """Train the rest of the current epoch; yields the number of steps done, after every step."""
        self.model.train()
        for batch in self.feed.train(self.progress.epoch, self.progress.step):
            self._step(batch)
            self.progress.step += 1
            yield self.progress.step

    def settle(self) -> None:
        """Count what is still on its way from the device. Raises `UserError` for a loss that is not finite."""
        self._count(self._tally.due())

    def line(self) -> dict[str, float]:
        """The history line of the current epoch so far: rates, mean loss, and accuracy if labels are not mixed.

        Raises:
            UserError: a loss or a weight is not a finite number.

        """
        self.settle()
        for model in dict.fromkeys((self.model, self.scored)):
            refuse_weights(model, f"{run_id(self.spec)}, epoch {self.progress.epoch}")
        done = self.progress
        counted = [done.loss, done.correct, done.samples, done.added]
        sums = self.share.sum(torch.tensor(counted, dtype=torch.float64, device=self._reduce_on))
        loss, correct, samples, added = sums.tolist()
        line = rates(self.optimizer, self.model) | {"train/loss": loss / samples}
        if self.scaler.is_enabled():
            line["train/skipped_steps"] = float(done.skipped)
        if self._added_loss is not None or self._method.reads_auxiliary_samples:
            line["train/added_loss"] = added / samples
        if self._counts_correct:
            line["train/accuracy"] = 100.0 * correct / samples
        return line

    def next_epoch(self) -> None:
        """Move on to the next epoch."""
        self.progress = Progress(self.progress.epoch + 1)

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs to resume."""
        self.settle()
        average = self.average.module.state_dict() if self.average else {}
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": average,
            "progress": [vars(part) for part in self.share.collect(self.progress)],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned, also with another number of processes."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        parts = [Progress(**part) for part in state["progress"]]
        if len(parts) == self.share.world:
            self.progress = parts[self.share.rank]
        elif self.share.leads:
            sums = {name: sum(getattr(part, name) for part in parts) for name in ("loss", "correct", "samples", "added")}
            self.progress = Progress(parts[0].epoch, parts[0].step, **sums, skipped=parts[0].skipped)
        else:
            self.progress = Progress(parts[0].epoch, parts[0].step, skipped=parts[0].skipped)

    @property
    def _reduce_on(self) -> torch.device:
        """The device on which numbers are summed over the processes."""
        return self.device if self.share.world > 1 else torch.device("cpu")

    def _step(self, batch: Batch) -> None:
        """One step of the optimizer on a batch, in parts."""
        place = (self.progress.epoch, self.progress.step)
        self.schedule.apply(self.optimizer, self._steps_done)
        if ends_alignment(self.spec, self._steps_done):
            self.optimizer.state.clear()  # moments of the distance's gradients would slow the tokenizer in learning the task
        if self._has_dropout:
            torch.manual_seed(derived_seed(self.spec.seed, "dropout", self.spec.target, *place, self.share.rank))
        rows = self._rows(batch, place)
        self.optimizer.zero_grad(set_to_none=True)
        size = self._rows_at_once(count := len(rows.x))
        with summed_once(self._summed, half(self.spec.finetune.precision) if size >= count else None):
            for start in range(0, count, size):
                with self._unsynced(last=start + size >= count):
                    self._part(rows if size >= count else rows.part(start, start + size))
        if self._method.reads_auxiliary_samples:
            self._train_beside(count)
        self.scaler.unscale_(self.optimizer)
        clip_gradients(self.model.parameters(), self.spec.finetune.clip_norm)
        self.scaler.step(self.optimizer)
        self._rescale()
        for norm in self._group_norms:
            norm.take(torch.cat(self.share.collect(torch.stack(norm.seen).cpu())))
        if self.average:
            self.average.update(self.model)
        self.progress.samples += count

    def _rows(self, batch: Batch, place: tuple[int, int]) -> Rows:
        """A batch on the device, mixed if the recipe says so."""
        item = {name: moved(tensor, self.device) for name, tensor in batch.item.items()}
        x, labels = item["x"], item["y"]
        mixed, targets = (x, labels) if self._mixing is None else self._mixing.mix(x, labels, batch, place)
        noise = RowNoise(self.spec.seed, batch.total, batch.rows, ("noise", self.spec.target, *place))
        given = labels if self.spec.goal == "instance_segmentation" else item.get("given")  # a detector computes its losses
        return Rows(mixed, targets, labels, given, noise)

    def _part(self, rows: Rows) -> None:
        """Forward and backward pass of some rows; the gradients of all parts and processes add up to that of the mean loss.

        In a step that aligns modalities, the loss is only measured.
        """
        learns = not aligns(self.spec, self._steps_done)
        draw_paths(self._paths, rows.noise, self.device)
        self.model.draw(rows.noise, self.device)
        with torch.set_grad_enabled(learns), autocast(self.spec.finetune.precision, self.device):
            outputs = self._forward(rows.x) if rows.given is None else self._forward(rows.x, rows.given)
            added = None if self._added_loss is None else self._added_loss(self.model, self.spec)
        losses = training_loss(self.spec.finetune, self.spec.goal, outputs, rows.y)
        total = losses.sum()
        minimised = total if added is None else (losses + added).sum()
        # The processes' gradients are averaged, hence the factor.
        if learns:
            self.scaler.scale(minimised * (self.share.world / rows.noise.total)).backward()
        measured = {"loss": total.detach()} | ({} if added is None else {"added": added.detach().sum()})
        if self._counts_correct:
            measured["correct"] = (outputs.detach().argmax(1) == rows.labels).sum()
        self._count(self._tally.add(self._place, rows.x, **measured))

    def _count(self, parts: Iterable[Measured]) -> None:
        """Add up what parts of steps measured. Raises `UserError` for a number that is not finite."""
        for part in parts:
            place = (part.epoch, part.step)
            if not math.isfinite(part.beside):
                raise diverged(f"{self._named(place)}: the loss with samples of the auxiliary's modality is {part.beside}")
            self.progress.added += part.added + part.beside
            if not math.isfinite(part.loss + self.progress.added):
                raise diverged(f"{self._named(place)}: the training loss is {part.loss}", faulty_inputs=part.faulty_inputs)
            self.progress.loss += part.loss
            self.progress.correct += part.correct

    def _train_beside(self, count: int) -> None:
        """Backward pass of what the method minimises with samples of the auxiliary's modality, in a step of `count` rows."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for loss in losses_beside(self.model, self.spec, self.feed, self._steps_done, self.device, self.micro_batch):
            self.scaler.scale(loss).backward()
            total += loss.detach()
        self._count(self._tally.add(self._place, beside=total * count))  # a sum over rows, like that of the task's loss

    def _rescale(self) -> None:
        """Adapt the scale of the loss in fp16. A step is skipped if gradients overflow at a scale that is too large. If they
        overflow unscaled, no scale helps, and the run would continue without learning.
        """
        before = self.scaler.get_scale()
        self.scaler.update()
        if self.scaler.get_scale() < before:
            self.progress.skipped += 1
            if before <= 1.0:
                raise diverged(f"{self._named(self._place)}: the gradients overflow in fp16 without any scale of the loss")

    @property
    def _steps_done(self) -> int:
        """The number of steps of all epochs that are done."""
        return (self.progress.epoch - 1) * self.steps + self.progress.step

    @property
    def _place(self) -> tuple[int, int]:
        """The current epoch and step."""
        return self.progress.epoch, self._steps_done

    def _named(self, place: tuple[int, int]) -> str:
        """The run with an epoch and a step, both counted from 1 as in the history."""
        return f"{run_id(self.spec)}, epoch {place[0]}, step {place[1] + 1}"

    def _rows_at_once(self, count: int) -> int:
        """How many of this process's rows are computed at once: complete groups if batch norm works on groups."""
        group, most = self.spec.finetune.norm_rows, self.micro_batch or count
        return most if group is None else max(most // group, 1) * group

    def _unsynced(self, *, last: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients only after the last part of a batch."""
        if last or not isinstance(self._forward, DistributedDataParallel):
            return nullcontext()
        return cast(AbstractContextManager[None], self._forward.no_sync())


def _parallel(model: Model, share: Share, *, compiled: bool) -> nn.Module:
    """The module that computes a training step: the model, with its gradients averaged over the processes, compiled or not."""
    forward: nn.Module = DistributedDataParallel(model) if share.world > 1 else model
    return cast(nn.Module, torch.compile(forward)) if compiled else forward
