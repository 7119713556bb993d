"""The device's own work, by torch's profiler."""

from collections.abc import Callable

import torch

from benchmarks.measuring.fixtures import Setup

PROFILED = 20


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
