"""Steps timed in turn: by the device's own events on CUDA, by the processor time of this process on the CPU.

Processor time does not count what other processes do meanwhile; what they take of caches and memory still slows a step down.
"""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.measuring.fixtures import Setup

WARM_UP = 5


def in_turn(
    steps: Mapping[str, Callable[[], object]], setup: Setup, repeats: int | None = None, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """The milliseconds of each step, repeated in an order that turns from round to round, after a warm-up."""
    names = list(steps)
    for name in names:
        for _ in range(min(warm_up, 1) if setup.tiny else warm_up):
            steps[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(setup.repeats if setup.tiny or repeats is None else repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(_milliseconds(steps[name], setup))
    return taken


def _milliseconds(step: Callable[[], object], setup: Setup) -> float:
    setup.wait()
    if setup.device.type != "cuda":
        start = time.process_time()
        step()
        return 1000 * (time.process_time() - start)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    step()
    end.record()
    setup.wait()
    return float(begin.elapsed_time(end))


def median(times: list[float]) -> float:
    """The middle one."""
    return statistics.median(times)


def quartiles(times: list[float]) -> float:
    """Half the distance between the quartiles, relative to the median."""
    low, middle, high = statistics.quantiles(times, n=4)
    return (high - low) / 2 / middle


def spread(times: list[float]) -> str:
    """The same in words."""
    return f" ± {quartiles(times):.1%}"


def ratio(times: list[float], others: list[float]) -> tuple[float, float]:
    """How many times `others` the `times` of the same rounds are: the median of the rounds, and its spread as of `quartiles`.

    Both of a round are of the same moments, so that what slows a machine for a while is in neither.
    """
    of_rounds = [one / other for one, other in zip(times, others, strict=True)]
    return median(of_rounds), quartiles(of_rounds)
