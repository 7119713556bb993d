"""The most memory that a step needs, counted by torch's profiler: what tensors take, and nothing else of the process."""

from collections.abc import Callable
from typing import Any

import torch

_EVENT = "[memory]"


def peak_of(step: Callable[[], object]) -> int:
    """The most bytes that torch holds in a step beyond what it held before."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    recorded: Any = profile.profiler
    events = [event for event in recorded.kineto_results.events() if event.name() == _EVENT]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
