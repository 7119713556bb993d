"""Steps timed in turn, by the device's own events where it has them."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.gpu.fixtures import Setup

WARM_UP = 5
PROFILED = 20


def in_turn(steps: Mapping[str, Callable[[], object]], setup: Setup) -> dict[str, list[float]]:
    """The milliseconds of each step, repeated in an order that turns from round to round, after a warm-up."""
    names = list(steps)
    for name in names:
        for _ in range(1 if setup.tiny else WARM_UP):
            steps[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(setup.repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(_milliseconds(steps[name], setup))
    return taken


def _milliseconds(step: Callable[[], object], setup: Setup) -> float:
    setup.wait()
    if setup.device.type != "cuda":
        start = time.perf_counter()
        step()
        return 1000 * (time.perf_counter() - start)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    step()
    end.record()
    setup.wait()
    return float(begin.elapsed_time(end))


def device_events(step: Callable[[], object], setup: Setup) -> tuple[float, dict[str, float]]:
    """The milliseconds of the device's own work in a step, by torch's profiler, and how often a step copies memory, by kind."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(PROFILED):
            step()
        setup.wait()
    events = [event for event in profile.events() if event.device_type.name == "CUDA"]
    copies: dict[str, float] = {}
    for event in events:
        if "memcpy" in event.name.lower():
            copies[event.name] = copies.get(event.name, 0.0) + 1 / PROFILED
    return sum(event.self_device_time_total for event in events) / 1000 / PROFILED, copies


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
