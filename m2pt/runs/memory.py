"""The peak memory of one run, also where a process does many runs."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


class PeakMemory:
    """The most memory held since this was made: of the device's allocator on CUDA, of the whole process on the CPU.

    A process may do many runs, and not every system can reset its peak (Linux does, by `/proc/self/clear_refs`; macOS and
    containers with a read-only `/proc` do not). There, a peak above what is held at the start is an earlier run's until one above
    that is reached.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._earlier = 0
        if device.type == "cuda":
            torch.cuda.init()  # without it the next call fails in a process that has not used the device yet
            torch.cuda.reset_peak_memory_stats(device)
            return
        with suppress(OSError):
            (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
        peak, held = _process_bytes("VmHWM"), _process_bytes("VmRSS")
        if peak is None:
            self._earlier = _life_peak_bytes()
        elif held is None or peak > held + _COUNTED_LATE:
            self._earlier = peak

    def bytes(self) -> int | None:
        """Bytes; None if the system cannot separate them from what the process held earlier."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        peak = _process_bytes("VmHWM") or _life_peak_bytes()
        return peak if peak > self._earlier else None


_COUNTED_LATE = 4 * 2**20
"""How far apart two readings of the same amount of memory may be on Linux, which adds each thread's share with a delay."""


def _process_bytes(name: str) -> int | None:
    """A count of memory of this process; None if the system does not report it."""
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _life_peak_bytes() -> int:
    """The most memory that this process has held since it started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
