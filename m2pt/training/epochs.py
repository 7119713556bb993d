"""The epochs of a fine-tuning: train, validate, keep the best weights, write checkpoints and the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from m2pt import pathway
from m2pt.config import UserError
from m2pt.models.model import Model
from m2pt.runs.folder import CHECKPOINT
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.training.checkpoint import Clock, load_checkpoint, save_checkpoint
from m2pt.training.evaluate import Evaluation, evaluate
from m2pt.training.finite import diverged
from m2pt.training.journal import Journal
from m2pt.training.loop import Trainer
from m2pt.training.places import Places
from m2pt.training.stopping import StoppedError
from m2pt.training.stopwatch import Stopwatch


@dataclass(frozen=True)
class Best:
    """The weights with the best validation score so far, and their epoch."""

    epoch: int
    val_score: float
    weights: dict[str, Tensor]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epoch": self.epoch, "val": self.val_score, "model": self.weights}

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> "Best | None":
        """Read back what a checkpoint kept. Older code wrote epoch 0 if no epoch was scored yet."""
        return cls(state["epoch"], state["val"], state["model"]) if state is not None and state["epoch"] else None


def train(spec: RunSpec, trainer: Trainer, places: Places, run_dir: Path, watch: Stopwatch) -> int:
    """Train to the end, from the last checkpoint if there is one; leaves the scored weights in the model, returns their epoch.

    Raises:
        UserError: a number is not finite, a scale has not moved, the checkpoint does not match, or there is no space.
        StoppedError: the job was asked to stop; a checkpoint is written.

    """
    recipe, share = spec.finetune, places.share
    journal, best = _resume(spec, trainer, places, run_dir)
    clock = Clock(places.checkpoint_every_seconds)

    def save() -> None:
        state = {"trainer": trainer.state(), "history": journal.lines, "best": best and best.state()}
        if share.leads:
            save_checkpoint(run_dir, state | {"samples_sha256": trainer.feed.samples_sha256})
        clock.reset()

    for epoch in range(trainer.progress.epoch, recipe.epochs + 1):
        with watch.measure("train"):
            for done in trainer.epoch():
                stops, due = share.any(places.stop.asked, clock.due or _ends_a_part(done, trainer.steps, places))
                if stops or due:
                    save()
                if stops:
                    raise StoppedError
            trained = trainer.line()
        with watch.measure("evaluate"):
            try:
                scored = _validate(spec, trainer, places, epoch)
            except StoppedError:
                save()
                raise
        journal.append({"epoch": epoch, "step": epoch * trainer.steps} | trained | _scored_line(scored, trainer.scored))
        if recipe.score == "best_val":
            best = _better(best, epoch, scored, trainer.scored)
        trainer.next_epoch()
        if epoch % places.checkpoint_every_epochs == 0 or epoch == recipe.epochs:
            save()
    _refuse_skipped_steps(spec, journal, recipe.epochs * trainer.steps)
    # Checks the last weights, whichever epoch is best: after the first step of a warm-up nothing has moved yet.
    _refuse_still_scales(spec, trainer.scored)
    if best is not None:
        trainer.scored.load_state_dict(best.weights)
    return best.epoch if best is not None else recipe.epochs


def _ends_a_part(done: int, steps: int, places: Places) -> bool:
    """Whether a checkpoint is due after so many steps within an epoch; at its end there is one anyway."""
    every = places.checkpoint_every_steps
    return every is not None and done < steps and done % every == 0


def _resume(spec: RunSpec, trainer: Trainer, places: Places, run_dir: Path) -> tuple[Journal, Best | None]:
    """The history and the best weights so far; the trainer continues where the checkpoint was written."""
    state = load_checkpoint(run_dir, places.device)
    history, best = [], None
    if state is not None:
        try:
            before, history, best = state["samples_sha256"], state["history"], Best.of(state["best"])
            trained = state["trainer"]
        except (KeyError, TypeError) as error:
            path = run_dir / CHECKPOINT
            raise UserError(f"{path}: was not written by this version of m2pt; delete it to start the run over.") from error
        _require_same_samples(spec, trainer, before, run_dir)
        trainer.load(trained)
    places.share.wait()  # all have read the checkpoint before one may write the next
    return Journal(run_dir, history, writes=places.share.leads), best


def _require_same_samples(spec: RunSpec, trainer: Trainer, before: str, run_dir: Path) -> None:
    """Refuse to continue on samples other than the checkpoint's: other versions of the decoders can read other files."""
    if before != trainer.feed.samples_sha256:
        raise UserError(
            f"{run_id(spec)}: the readable samples have changed since it was interrupted (other versions of the decoders?); "
            f"delete {run_dir / CHECKPOINT} to start it over."
        )


def _better(best: Best | None, epoch: int, scored: Evaluation | None, model: Model) -> Best | None:
    """The best weights so far, including this epoch's; of two with equal scores, the first."""
    if scored is None or (best is not None and scored.score <= best.val_score):
        return best
    return Best(epoch, scored.score, {name: tensor.clone() for name, tensor in model.state_dict().items()})


def _validate(spec: RunSpec, trainer: Trainer, places: Places, epoch: int) -> Evaluation | None:
    """The scores of an epoch's weights on validation data; None without such data."""
    if trainer.feed.count("val") == 0:
        return None
    return evaluate(trainer.scored, spec, trainer.feed, "val", places, f"after epoch {epoch}")


def _scored_line(val: Evaluation | None, model: Model) -> dict[str, float]:
    """The part of an epoch's line besides training: validation scores, every scale and its effective size."""
    line: dict[str, float] = {}
    if val is not None:
        line |= {f"val/{name}": score for name, score in val.scores.items()}
        line |= {} if val.loss is None else {"val/loss": val.loss}
    line |= {f"scale/{name}": value for name, value in scale_values(model).items()}
    return line | {f"effective_size/{name}": size for name, size in pathway.effective_sizes(model).items()}


def scale_values(model: Model) -> dict[str, float]:
    """One number for each scale: its value, or, as `<name>/abs_mean`, the mean size of its entries if it has several."""
    scales = {name: scale.detach() for name, scale in pathway.scales(model).items()}
    return {
        f"{name}/abs_mean" if scale.ndim else name: float(scale.abs().mean() if scale.ndim else scale)
        for name, scale in scales.items()
    }


def _refuse_skipped_steps(spec: RunSpec, journal: Journal, steps: int) -> None:
    """Refuse a training of which fp16 skipped every step."""
    if sum(line.get("train/skipped_steps", 0) for line in journal.lines) == steps:
        raise diverged(f"{run_id(spec)}: gradients overflowed in fp16 in every step, so no weight was changed")


def _refuse_still_scales(spec: RunSpec, model: Model) -> None:
    """Refuse trainable scales that never left their initial value: the pathway was not trained."""
    if spec.pathway is None or not spec.pathway.scale_trainable:
        return
    still = [name for name, scale in pathway.scales(model).items() if bool((scale == spec.pathway.scale_init).all())]
    empty = [name for name in still if not bool(pathway.auxiliary_weights(model)[name].any())]
    if empty:
        raise UserError(f"{run_id(spec)}: the auxiliary's weights are all zero in {', '.join(empty)}; give another encoder.")
    if still:
        raise UserError(
            f"{run_id(spec)}: these scales did not move in training, so the pathway is not in use: {', '.join(still)}."
        )
