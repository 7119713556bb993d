"""The energy that devices use during a run, if they report it: NVIDIA GPUs by NVML, processors by RAPL.

It is the energy of complete devices: on CUDA of the run's GPUs and nothing else, on the CPU of all processor packages and their
memory. Whatever else uses a device is counted too, so runs that share a device each have all of its energy in their ledgers.

Sources: NVML, `nvmlDeviceGetTotalEnergyConsumption` (mJ since the driver was loaded; Volta and newer). Linux, power capping
framework, Documentation/power/powercap: `energy_uj` (µJ) starts again at 0 after `max_energy_range_uj`.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch

POWERCAP = Path("/sys/class/powercap")
_LOOK_EVERY_S = 60.0  # a counter of 2^38 µJ starts again after 18 minutes at 250 W


class Counter(Protocol):
    """A counter of energy: `read` gives microjoules, `span_uj` is where it starts again at 0 (None: never)."""

    @property
    def span_uj(self) -> int | None:
        """Where it starts again."""
        ...

    def read(self) -> int | None:
        """The present count; None where it cannot be read."""
        ...


@dataclass(frozen=True)
class RaplCounter:
    """One domain of a processor: a folder of the power capping framework."""

    folder: Path
    span_uj: int | None

    def read(self) -> int | None:
        """The present count; None where this user may not read it."""
        return _number(self.folder / "energy_uj")


@dataclass(frozen=True)
class NvmlCounter:
    """One GPU."""

    read_mj: Callable[[], int]
    errors: type[Exception]
    span_uj: int | None = None

    def read(self) -> int | None:
        """The present count; None if the device does not report it."""
        try:
            return 1000 * self.read_mj()
        except self.errors:
            return None


class EnergyMeter:
    """Adds up what counters count from its creation on; None if there is no counter, or one of them stopped reporting.

    A thread reads them every minute, so that none can start again twice between two readings.
    """

    def __init__(self, counters: Sequence[Counter], look_every_s: float = _LOOK_EVERY_S) -> None:
        self._counters = counters
        self._last = [counter.read() for counter in counters]
        self._total_uj = 0
        self._silent = not counters or None in self._last
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        if not self._silent and any(counter.span_uj for counter in counters):
            threading.Thread(target=self._watch, args=(look_every_s,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def joules(self) -> float | None:
        """Energy in J since the start."""
        self._look()
        return None if self._silent else self._total_uj / 1e6

    def _watch(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            self._look()

    def _look(self) -> None:
        with self._mutex:
            for index, counter in enumerate(self._counters):
                now, last = counter.read(), self._last[index]
                if now is None or last is None:
                    self._silent = True
                    return
                again = (counter.span_uj or 0) if now < last else 0
                self._total_uj += now - last + again
                self._last[index] = now


def energy_meter(devices: Sequence[torch.device]) -> EnergyMeter:
    """A running meter of these devices; it gives None if one of them does not report its energy."""
    if all(device.type == "cpu" for device in devices):
        return EnergyMeter(rapl_counters(POWERCAP))
    counters = [_nvml_counter(device) for device in devices]
    return EnergyMeter([counter for counter in counters if counter is not None] if None not in counters else [])


def rapl_counters(powercap: Path) -> list[RaplCounter]:
    """The packages of all processors and, where they are counted apart, their memory; empty where there are none.

    Other domains (`core`, `uncore`) are parts of a package, and `psys` and `intel-rapl-mmio` count packages a second time.
    """
    counters = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text(encoding="ascii").strip()
        except OSError:
            continue
        if name.startswith("package-") or name == "dram":
            counters.append(RaplCounter(folder, _number(folder / "max_energy_range_uj")))
    return counters


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _nvml_counter(device: torch.device) -> NvmlCounter | None:
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except nvml.NVMLError:  # a part of a GPU (MIG) has no energy of its own
        return None
    return NvmlCounter(functools.partial(nvml.nvmlDeviceGetTotalEnergyConsumption, handle), nvml.NVMLError)


@functools.cache
def _nvml() -> Any:
    """NVIDIA's management library, opened; None where its package or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None
    return pynvml
