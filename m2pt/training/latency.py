"""How long a forward pass of a trained model takes, measured alongside a plain model of the same configuration."""

import statistics
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from m2pt.config import ImageInput, refuses_unknown
from m2pt.runs.attempts import Inference
from m2pt.runs.spec import RunSpec
from m2pt.training.feeds import Feed
from m2pt.training.precision import Precision, autocast

ROWS = 8
"""The maximum number of rows (views of samples) in the measured batch: few, so that many passes fit into the budget."""

LEAST_PAIRS, MOST_PAIRS = 3, 100
"""Bounds for the number of passes of each model, however long they take."""

BUDGET_S = 0.02
"""Passes are repeated for this long, a hundredth of a short run; a report compares the medians of many runs."""


def example(spec: RunSpec, feed: Feed) -> tuple[Tensor, Tensor | None] | None:
    """A batch to measure with: the first rows of the test split, and the object categories of a part segmentation.

    For a scene, which is predicted window by window, it is the first window. None if this process has no test samples.
    """
    items = feed.test("test")
    item = next(items, None)
    if item is None:
        return None
    x, given = item["x"], item.get("given")
    if spec.goal == "semantic_segmentation" and x.ndim == 5:
        side = cast(ImageInput, spec.input).size
        height, width = x.shape[-2:]
        scene = pad(x[0], (0, max(side - width, 0), 0, max(side - height, 0)), mode="replicate")
        return scene[:1, :, :side, :side], None
    categories = None if given is None else given.repeat_interleave(x.shape[1], dim=0)[:ROWS]
    return x.flatten(0, 1)[:ROWS], categories


@refuses_unknown
@torch.no_grad()
def measure(
    model: nn.Module, plain: nn.Module, x: Tensor, given: Tensor | None, precision: Precision, device: torch.device
) -> Inference:
    """Time both models on the same batch `x` (B, ...), in turn; both must be on `device`. Their modes are left as they were.

    One pass of each warms up. The order alternates from pair to pair, so that neither is always second. If a single thread
    computes, its CPU time is taken: waiting while other processes use its core is not a property of the model.
    """
    x = x.to(device)
    categories = None if given is None else given.to(device)
    modes = model.training, plain.training
    model.eval()
    plain.eval()

    clock = time.thread_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter

    def seconds(one: nn.Module) -> float:
        _wait(device)
        start = clock()
        with autocast(precision, device):
            one(x, categories)
        _wait(device)
        return clock() - start

    taken = _in_turn(lambda: seconds(model), lambda: seconds(plain))
    model.train(modes[0])
    plain.train(modes[1])
    own, other = (round(1000 * statistics.median(times), 4) for times in taken)
    return Inference(batch=len(x), latency_ms=own, plain_latency_ms=other)


def _in_turn(first: Callable[[], float], second: Callable[[], float]) -> tuple[list[float], list[float]]:
    """The times of both, until they have used up the budget; the first pass of each is left out."""
    spent = first() + second()
    taken: tuple[list[float], list[float]] = ([], [])
    for pair in range(MOST_PAIRS):
        if pair >= LEAST_PAIRS and spent > BUDGET_S:
            break
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            passed = (first, second)[which]()
            taken[which].append(passed)
            spent += passed
    return taken


def _wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
