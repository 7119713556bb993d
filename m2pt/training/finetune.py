"""Fine-tuning of one model by one method, from its spec to its record.

Every random draw comes from a generator seeded by the run's seed and a purpose, never by the method, so that runs of one seed
share split, order, augmentation and head across methods, and differences can be paired.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from m2pt import pathway
from m2pt.config import UserError
from m2pt.encoder import Encoder
from m2pt.identity import RunSpec, derived_seed, run_id
from m2pt.methods import METHODS
from m2pt.modalities.rooms import ROOMS
from m2pt.modalities.samples import Samples
from m2pt.model import Classifier
from m2pt.records import MERGED
from m2pt.training.checkpoint import load_checkpoint, save_checkpoint
from m2pt.training.evaluate import Evaluation, evaluate, logits
from m2pt.training.journal import Journal
from m2pt.training.optim import build_optimizer, clip_gradients, freeze_for
from m2pt.training.stopwatch import Stopwatch
from m2pt.weights import load_into, read_weights, save_weights


@dataclass(frozen=True)
class Places:
    """Where a run's inputs lie on this machine, and how it executes; nothing here can change a number."""

    target_weights: Path | None = None
    auxiliary_weights: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    checkpoint_every_epochs: int = 1


def build(spec: RunSpec, places: Places, num_classes: int) -> Classifier:
    """The model a run starts from: built from its seed, loaded with the target's weights, changed by its method."""
    torch.manual_seed(derived_seed(spec.seed, "model", spec.target))
    model = Classifier(spec.target, spec.input, spec.model, num_classes, spec.finetune.drop_path)
    if spec.target_weights is not None:
        tensors = read_weights(_given(places.target_weights, spec, "target"), spec.target_weights.sha256)
        load_into(model.tokenizer, tensors, "tokenizer.", str(places.target_weights))
        load_into(model.blocks, tensors, "blocks.", str(places.target_weights))
    METHODS[spec.method](model, spec, _auxiliary(spec, places))
    freeze_for(spec.tuning, model)
    return model.to(places.device)


def _given(path: Path | None, spec: RunSpec, role: str) -> Path:
    if path is None:
        raise UserError(f"{spec.name}: the path of the {role}'s weights is not given in local/inputs.json.")
    return path


def _auxiliary(spec: RunSpec, places: Places) -> Encoder | None:
    if spec.auxiliary_weights is None:
        return None
    path = _given(places.auxiliary_weights, spec, "auxiliary")
    tensors = read_weights(path, spec.auxiliary_weights.sha256)
    encoder = Encoder(spec.model)
    load_into(encoder.blocks, tensors, "blocks.", str(path))
    return encoder


def draw_samples(pool: Samples, count: int, seed: int) -> Samples:
    """A class-balanced draw of `count` labelled samples from the train split.

    Raises:
        UserError: the split holds fewer.

    """
    if count > len(pool.y):
        raise UserError(f"finetune.samples: {count} are asked for, the train split holds {len(pool.y)}; lower it or add data.")
    order = torch.randperm(len(pool.y), generator=torch.Generator().manual_seed(seed))
    rank = torch.empty_like(order)
    for label in range(len(pool.classes)):
        members = order[pool.y[order] == label]
        rank[members] = torch.arange(len(members))
    # Taking the first of each class, then the second, ... keeps the draw balanced for any count.
    chosen = order[rank[order].argsort(stable=True)][:count]
    return Samples(pool.x[chosen], pool.y[chosen], pool.classes)


def finetune(spec: RunSpec, splits: dict[str, Samples], places: Places, run_dir: Path, watch: Stopwatch) -> dict[str, Any]:
    """Train, select on validation data, merge, test once; returns the record (not yet written).

    `splits` holds `train`, `val` and `test`. Goes on from the last checkpoint in `run_dir`.

    Raises:
        UserError: weights do not fit, a loss is not finite, no scale has moved, or there is no space.

    """
    with watch.measure("load"):
        pool = draw_samples(splits["train"], spec.finetune.samples, derived_seed(spec.seed, "split", spec.target))
        model = build(spec, places, len(pool.classes))
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    best = _train(spec, model, pool, splits["val"], places, run_dir, watch)
    with watch.measure("evaluate"):
        _refuse_still_scales(spec, model)
        scales = {name: _summary(scale) for name, scale in pathway.scales(model).items()}
        sizes = pathway.effective_sizes(model)
        merged = _merge(spec, model, splits["val"], places)
        val, test = (evaluate(model, splits[split], places.device) for split in ("val", "test"))
    return {
        "run_id": run_id(spec),
        "kind": spec.kind,
        "metric": "accuracy",
        "score": spec.finetune.score,
        "epoch": best,
        "val_score": val.accuracy,
        "test_score": test.accuracy,
        "val_samples": len(splits["val"].y),
        "test_samples": len(splits["test"].y),
        "classes": list(pool.classes),
        "confusion": test.confusion,
        "scales": scales,
        "effective_sizes": sizes,
        "scale_abs_mean": _mean([abs(value) for value in scales.values()]),
        "effective_size_mean": _mean(list(sizes.values())),
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable_parameters": trainable,
        "merge": merged,
        "files": {MERGED: save_weights(run_dir / MERGED, model)},
    }


def _summary(scale: nn.Parameter) -> float:
    """One number for a scale: its value, or the mean size of its entries where it has several."""
    return float(scale.detach().abs().mean() if scale.ndim else scale.detach())


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _train(spec: RunSpec, model: Classifier, pool: Samples, val: Samples, places: Places, run_dir: Path, watch: Stopwatch) -> int:
    """Train to the end and leave the scored weights in the model; returns their epoch."""
    recipe = spec.finetune
    steps_per_epoch = -(-len(pool.y) // recipe.batch_size)
    multiple = spec.pathway.scale_lr_multiple if spec.pathway else 1.0
    optimizer, schedule = build_optimizer(model, recipe, recipe.epochs * steps_per_epoch, multiple)
    state = load_checkpoint(run_dir, places.device)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    journal = Journal(run_dir, state["history"] if state else [])
    best: dict[str, Any] = state["best"] if state else {"epoch": 0, "val": -1.0, "model": {}}
    for epoch in range(len(journal.lines) + 1, recipe.epochs + 1):
        with watch.measure("train"):
            loss, accuracy, rate = _train_epoch(spec, model, pool, optimizer, schedule, epoch, places.device)
        with watch.measure("evaluate"):
            scored = evaluate(model, val, places.device)
        journal.append(_epoch_line(epoch, steps_per_epoch, rate, loss, accuracy, scored, model))
        if recipe.score == "best_val" and scored.accuracy > best["val"]:
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            best = {"epoch": epoch, "val": scored.accuracy, "model": weights}
        if epoch % places.checkpoint_every_epochs == 0 or epoch == recipe.epochs:
            save_checkpoint(
                run_dir,
                {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": journal.lines, "best": best},
            )
    if recipe.score == "best_val":
        model.load_state_dict(best["model"])
        return int(best["epoch"])
    return recipe.epochs


def _train_epoch(
    spec: RunSpec,
    model: Classifier,
    pool: Samples,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    epoch: int,
    device: torch.device,
) -> tuple[float, float, float]:
    """One pass over the pool; returns mean loss, accuracy in percent and the last learning rate."""
    recipe = spec.finetune
    order = torch.randperm(len(pool.y), generator=_generator(spec, "order", epoch))
    noise = _generator(spec, "augment", epoch)
    torch.manual_seed(derived_seed(spec.seed, "dropout", spec.target, epoch))
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    augment = ROOMS[spec.target].augment
    batches = order.split(recipe.batch_size)
    total, correct, step = 0.0, 0, (epoch - 1) * len(batches)
    model.train()
    for batch in batches:
        schedule.step_update(step)
        x, y = pool.x[batch], pool.y[batch].to(device)
        outputs = model((augment(x, noise) if recipe.augment else x).to(device))
        loss = loss_of(outputs, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(model.parameters(), recipe.clip_norm)
        optimizer.step()
        step += 1
        total += float(loss.detach()) * len(batch)
        correct += int((outputs.detach().argmax(1) == y).sum())
    return total / len(pool.y), 100.0 * correct / len(pool.y), float(optimizer.param_groups[0]["lr"])


def _generator(spec: RunSpec, purpose: str, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(spec.seed, purpose, spec.target, epoch))


def _epoch_line(
    epoch: int, steps: int, rate: float, loss: float, accuracy: float, val: Evaluation, model: Classifier
) -> dict[str, Any]:
    line: dict[str, Any] = {"epoch": epoch, "step": epoch * steps, "learning_rate": rate}
    line |= {"train/loss": loss, "train/accuracy": accuracy, "val/loss": val.loss, "val/accuracy": val.accuracy}
    for name, scale in pathway.scales(model).items():
        line[f"scale/{name}"] = _summary(scale)
    for name, size in pathway.effective_sizes(model).items():
        line[f"effective_size/{name}"] = size
    return line


def _refuse_still_scales(spec: RunSpec, model: Classifier) -> None:
    """A trainable scale that never left its first value means that the pathway was not trained."""
    if spec.pathway is None or not spec.pathway.scale_trainable:
        return
    still = [name for name, scale in pathway.scales(model).items() if bool((scale == spec.pathway.scale_init).all())]
    if still:
        raise UserError(
            f"{run_id(spec)}: these scales did not move in training, so the pathway is not in use: {', '.join(still)}."
        )


def _merge(spec: RunSpec, model: Classifier, val: Samples, places: Places) -> dict[str, Any] | None:
    """Merge the pathway, and prove it: the largest difference of logits, and the parameter count of a plain model."""
    if spec.pathway is None:
        return None
    before = logits(model, val.x, places.device)
    pathway.merge(model)
    after = logits(model, val.x, places.device)
    plain = Classifier(spec.target, spec.input, spec.model, len(val.classes))
    plain.load_state_dict(model.state_dict())
    return {
        "max_logit_difference": float((before - after).abs().max()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "plain_parameters": sum(p.numel() for p in plain.parameters()),
    }
