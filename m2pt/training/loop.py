"""The training of one model, step by step; can stop after any step and go on to the very numbers it would have reached.

Every random draw follows from (seed, purpose, epoch, step, row), so neither the number of processes nor an interruption nor the
size of the parts in which a batch is computed changes more than the order of sums.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from timm.data.mixup import Mixup
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from m2pt.layers import RowNoise
from m2pt.modalities.shared.items import seeded
from m2pt.models.drop_path import DropPath, draw_paths
from m2pt.models.heads import GroupedBatchNorm
from m2pt.models.model import Model
from m2pt.runs.identity import derived_seed, run_id
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Batch, Feed
from m2pt.training.finite import diverged, refuse_weights
from m2pt.training.goals import training_loss
from m2pt.training.optim import build_optimizer, clip_gradients, rates
from m2pt.training.precision import autocast, gradient_scaler
from m2pt.training.share import Share


@dataclass
class Progress:
    """Where a training stands: `step` steps of `epoch` are done; sums over these steps, on all processes together.

    `skipped` of these steps changed no weight, because gradients overflowed in fp16; all processes skip the same ones.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    samples: int = 0
    skipped: int = 0


@dataclass
class Trainer:
    """Trains `model` on `feed`. `micro_batch` is the most rows that are computed at once (None: all of them)."""

    spec: RunSpec
    model: Model
    feed: Feed
    device: torch.device
    share: Share = field(default_factory=Share)
    micro_batch: int | None = None
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        recipe = self.spec.finetune
        self.steps = self.feed.steps_per_epoch
        self._mixup = _mixup(self.spec, len(self.feed.classes))
        parts = list(self.model.modules())
        self._draws = self.model.tokenizer.draws or any(isinstance(part, DropPath) for part in parts)
        self._norms = [part for part in parts if isinstance(part, GroupedBatchNorm)]
        self._drops = any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in parts)
        self._mixes = self._mixup is not None or recipe.mixes_before or self.spec.goal != "classification"
        if self.share.world > 1 and self.device.type == "cuda":
            self.model = cast(Model, nn.SyncBatchNorm.convert_sync_batchnorm(self.model))
        self.optimizer, self.schedule = build_optimizer(self.model, recipe, recipe.epochs * self.steps, self.spec.pathway)
        self.scaler = gradient_scaler(recipe.precision, self.device)
        self.average = ModelEmaV3(self.model, decay=recipe.average_decay) if recipe.average_decay else None
        forward: nn.Module = self.model
        if self.share.world > 1:
            forward = DistributedDataParallel(self.model)
        self._forward = cast(nn.Module, torch.compile(forward)) if recipe.compiled else forward

    @property
    def scored(self) -> Model:
        """The model whose scores count: the moving average of the weights where the recipe keeps one."""
        return cast(Model, self.average.module) if self.average else self.model

    def epoch(self) -> Iterator[int]:
        """Train the rest of the present epoch; yields after every step the number of steps done."""
        self.model.train()
        for batch in self.feed.train(self.progress.epoch, self.progress.step):
            self._step(batch)
            self.progress.step += 1
            yield self.progress.step

    def line(self) -> dict[str, float]:
        """What the present epoch gave so far: rates, mean loss, and accuracy where labels are not mixed.

        Raises:
            UserError: a weight is no finite number.

        """
        for model in dict.fromkeys((self.model, self.scored)):
            refuse_weights(model, f"{run_id(self.spec)}, epoch {self.progress.epoch}")
        done = self.progress
        sums = self.share.sum(torch.tensor([done.loss, done.correct, done.samples], dtype=torch.float64, device=self._reduce_on))
        loss, correct, samples = sums.tolist()
        line = rates(self.optimizer, self.model) | {"train/loss": loss / samples}
        if self.scaler.is_enabled():
            line["train/skipped_steps"] = float(done.skipped)
        if not self._mixes:
            line["train/accuracy"] = 100.0 * correct / samples
        return line

    def next_epoch(self) -> None:
        """Turn to the next epoch."""
        self.progress = Progress(self.progress.epoch + 1)

    def state(self) -> dict[str, Any]:
        """Everything from which the training goes on."""
        average = self.average.module.state_dict() if self.average else {}
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": average,
            "progress": [vars(part) for part in self.share.collect(self.progress)],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, also with another number of processes."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        parts = [Progress(**part) for part in state["progress"]]
        if len(parts) == self.share.world:
            self.progress = parts[self.share.rank]
        elif self.share.leads:
            sums = {name: sum(getattr(part, name) for part in parts) for name in ("loss", "correct", "samples")}
            self.progress = Progress(parts[0].epoch, parts[0].step, **sums, skipped=parts[0].skipped)
        else:
            self.progress = Progress(parts[0].epoch, parts[0].step, skipped=parts[0].skipped)

    @property
    def _reduce_on(self) -> torch.device:
        """Where numbers must lie to be summed over the processes."""
        return self.device if self.share.world > 1 else torch.device("cpu")

    def _step(self, batch: Batch) -> None:
        recipe, place = self.spec.finetune, (self.progress.epoch, self.progress.step)
        number = (place[0] - 1) * self.steps + place[1]
        self.schedule.apply(self.optimizer, number)
        noise = RowNoise(derived_seed(self.spec.seed, "noise", self.spec.target, *place), batch.total, batch.rows)
        if self._drops:
            torch.manual_seed(derived_seed(self.spec.seed, "dropout", self.spec.target, *place, self.share.rank))
        x, y = batch.item["x"].to(self.device, non_blocking=True), batch.item["y"].to(self.device, non_blocking=True)
        given = batch.item["given"].to(self.device, non_blocking=True) if "given" in batch.item else None
        labels = y
        if self._mixup is not None:
            x, y = self._mix(x, y, batch, place)
        self.optimizer.zero_grad(set_to_none=True)
        size = self._rows_at_once(len(x))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            with self._unsynced(last=start + size >= len(x)):
                self._part(
                    x[part], y[part], labels[part], None if given is None else given[part], noise.part(start, start + size)
                )
        self.scaler.unscale_(self.optimizer)
        clip_gradients(self.model.parameters(), recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self._rescale()
        for norm in self._norms:
            norm.take(torch.cat(self.share.collect(torch.stack(norm.seen).cpu())))
        if self.average:
            self.average.update(self.model)
        self.progress.samples += len(x)

    def _part(self, x: Tensor, y: Tensor, labels: Tensor, given: Tensor | None, noise: RowNoise) -> None:
        """Forward and backward of some rows; the gradients of all parts and processes add up to that of the mean loss."""
        if self._draws:
            draw_paths(self.model, noise, self.device)
            self.model.tokenizer.draw(noise, self.device)
        with autocast(self.spec.finetune.precision, self.device):
            outputs = self._forward(x) if given is None else self._forward(x, given)
        losses = training_loss(self.spec.finetune, self.spec.goal, outputs, y)
        # The processes' gradients are averaged, hence the factor.
        self.scaler.scale(losses.sum() * (self.share.world / noise.total)).backward()
        loss = float(losses.detach().sum())
        if not math.isfinite(loss):
            raise diverged(f"{self._here}: the training loss is {loss}", x)
        self.progress.loss += loss
        if not self._mixes:
            self.progress.correct += int((outputs.detach().argmax(1) == labels).sum())

    def _rescale(self) -> None:
        """Adapt the scale of the loss in fp16. A step is skipped where gradients overflowed at a scale that was too large; where
        they overflow unscaled, no scale helps, and the run would go on without learning.
        """
        before = self.scaler.get_scale()
        self.scaler.update()
        if self.scaler.get_scale() < before:
            self.progress.skipped += 1
            if before <= 1.0:
                raise diverged(f"{self._here}: the gradients overflow in fp16 without any scale of the loss")

    @property
    def _here(self) -> str:
        """The step that is under way, counted from 1 as in the history."""
        done = self.progress
        return f"{run_id(self.spec)}, epoch {done.epoch}, step {(done.epoch - 1) * self.steps + done.step + 1}"

    def _mix(self, x: Tensor, y: Tensor, batch: Batch, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Mix each row with its mirror image in its group of rows, every group by a draw of its own.

        Clips are mixed as pictures with more channels.
        """
        mix = cast(Mixup, self._mixup)
        groups, counts = (batch.rows // (self.spec.finetune.mixing_rows or batch.total)).unique_consecutive(return_counts=True)
        mixed, soft = [], []
        for group, rows, labels in zip(groups.tolist(), x.split(counts.tolist()), y.split(counts.tolist()), strict=True):
            with seeded(derived_seed(self.spec.seed, "mixup", self.spec.target, *place, group)):
                both = mix(rows.flatten(1, 2) if rows.ndim == 5 else rows, labels)
            mixed.append(both[0].view(rows.shape))
            soft.append(both[1])
        return torch.cat(mixed), torch.cat(soft)

    def _rows_at_once(self, count: int) -> int:
        """How many of this process's rows are computed at once: whole groups, where batch norm sees groups."""
        group = self.spec.finetune.norm_rows
        most = self.micro_batch or count
        return most if group is None else max(most // group, 1) * group

    def _unsynced(self, *, last: bool) -> AbstractContextManager[None]:
        if last or not isinstance(self._forward, DistributedDataParallel):
            return nullcontext()
        return cast(AbstractContextManager[None], self._forward.no_sync())


def _mixup(spec: RunSpec, num_classes: int) -> Any:
    """Timm's mixup and cutmix of a whole batch (arXiv 1710.09412, 1905.04899), where the recipe has them."""
    recipe = spec.finetune
    if recipe.mixup == 0 and recipe.cutmix == 0:
        return None
    return cast(Any, Mixup)(
        mixup_alpha=recipe.mixup,
        cutmix_alpha=recipe.cutmix,
        prob=1.0,
        switch_prob=0.5,
        mode="batch",
        label_smoothing=recipe.label_smoothing,
        num_classes=num_classes,
    )
