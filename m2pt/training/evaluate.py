"""Scores of a model on a split, over all processes."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from m2pt.config import refuses_unknown
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Feed, TestSplit
from m2pt.training.finite import NotFiniteError, diverged, faulty
from m2pt.training.goals import Predictor, loss_of, new_meter
from m2pt.training.metrics.accuracy import Accuracy
from m2pt.training.places import Places
from m2pt.training.precision import autocast
from m2pt.training.stopping import StoppedError


@dataclass(frozen=True)
class Evaluation:
    """The main score and all scores in percent; the mean loss if outputs are logits of one view.

    `confusion` counts [true class][predicted class] if there are few classes. `each` is the main score of each sample in the
    order of the split, as `Meter.each`; None where it is no mean over samples.
    """

    score: float
    scores: dict[str, float]
    loss: float | None
    confusion: tuple[tuple[int, ...], ...] | None
    each: Tensor | None


@refuses_unknown
@torch.no_grad()
def evaluate(model: nn.Module, spec: RunSpec, feed: Feed, split: TestSplit, places: Places, when: str) -> Evaluation:
    """Evaluate a model in evaluation mode, then restore its mode. `when` names the point in the run, for messages.

    Raises:
        UserError: an output or the loss is not finite, or the split has nothing to score.
        StoppedError: a process was asked to stop before its end.

    """
    device, share = places.device, places.share
    training = model.training
    model.eval()
    meter = new_meter(spec, len(feed.classes), feed.parts)
    predict = Predictor(model, spec, len(feed.classes), device)
    recipe = spec.finetune.model_copy(update={"label_smoothing": 0.0})
    total, count, has_loss, stops = 0.0, 0, spec.goal != "instance_segmentation", False
    for item in feed.test(split):
        try:
            with autocast(spec.finetune.precision, device):
                outputs = predict(item)
            meter.add(outputs, item)
        except NotFiniteError as error:
            raise diverged(f"{run_id(spec)}, {split} split {when}: {error}", faulty_inputs=faulty(item["x"])) from error
        has_loss = has_loss and item["x"].shape[1] == 1
        if has_loss:
            total += float(loss_of(recipe, spec.goal, outputs, item["y"]).sum())
        count += len(outputs)
        if stops := places.stop.asked:
            break
    model.train(training)
    if True in share.collect(stops):
        raise StoppedError
    shares: list[Any] = share.collect((meter, total, count))
    parts = [part for other, _, _ in shares if (part := other.each()) is not None]  # before they are merged
    each = share.in_order(parts) if parts else None
    for other, other_total, other_count in shares[: share.rank] + shares[share.rank + 1 :]:
        meter.merge(other)
        total, count = total + other_total, count + other_count
    loss = total / count if has_loss and count else None
    if loss is not None and not math.isfinite(loss):
        raise diverged(f"{run_id(spec)}, {split} split {when}: the loss is {loss}")
    scores = meter.result()
    counted = meter.confusion if isinstance(meter, Accuracy) else None
    confusion = None if counted is None else tuple(map(tuple, counted.tolist()))
    return Evaluation(scores[spec.metric], scores, loss, confusion, each)
