"""Where jobs can run: slots on CUDA devices, or on groups of them, otherwise on CPU cores."""

import ctypes
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from m2pt.config import ExecutionConfig, UserError

_DEVICE_NAME = re.compile(r"[0-9]+|GPU-[0-9A-Za-z-]+|MIG-[0-9A-Za-z/-]+")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time; `env` is set before its process starts, so that the job only sees its own devices."""

    name: str
    device: Literal["cpu", "cuda"]
    env: Mapping[str, str] = field(hash=False)


def slots(execution: ExecutionConfig) -> list[Slot]:
    """The slots that `execution` asks for; this does not initialise CUDA.

    The names in `execution.devices` have the form that `CUDA_VISIBLE_DEVICES` takes (an index, a `GPU-...` or `MIG-...`
    identifier); whether such a device exists is not checked.

    Raises:
        UserError: `execution.devices` is empty, repeats a device or has a name of another form, or `execution.devices_per_job`
            does not divide the devices.

    """
    match execution.devices:
        case "cpu":
            names: tuple[str, ...] = ()
        case "auto":
            names = _cuda_devices()
        case _:
            names = _checked(execution.devices)
    together = execution.devices_per_job
    if not names:
        cores = max(1, usable_cores() // together)
        return [_cpu_slot(index) for index in range(cores if execution.slots == "auto" else execution.slots)]
    groups = [names[start : start + together] for start in range(0, len(names), together)]
    if len(groups[-1]) < together:
        raise UserError(
            f"execution.devices_per_job: {together} does not divide the {len(names)} devices; change it or the list of devices."
        )
    if together > 1 and execution.jobs_per_device > 1:
        raise UserError("execution.devices_per_job: jobs on several devices cannot share them; set jobs_per_device to 1.")
    return [_cuda_slot(group, job, execution.jobs_per_device) for job in range(execution.jobs_per_device) for group in groups]


def usable_cores() -> int:
    """How many cores this process may use: its affinity, limited by the quota of its control group (that of a container)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no control groups (version 2) on this machine
        return cores


def _cuda_devices() -> tuple[str, ...]:
    """The names of the CUDA devices that torch can use, within `CUDA_VISIBLE_DEVICES` if that is set."""
    if not _has_driver():
        return ()
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(index) for index in range(count)] if visible is None else [name.strip() for name in visible.split(",")]
    return tuple(names[:count])


def _has_driver() -> bool:
    """Whether the library of a driver is installed: without one torch finds no device, and need not be asked."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()  # AMD's
    return True


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise UserError("execution.devices: the list is empty; name CUDA devices, or write auto or cpu.")
    if len(set(names)) != len(names):
        raise UserError("execution.devices: a device is listed twice; use jobs_per_device for several jobs on one device.")
    for name in names:
        if not _DEVICE_NAME.fullmatch(name):
            raise UserError(f"execution.devices: {name!r} is not a CUDA device; write an index, GPU-<uuid> or MIG-<uuid>.")
    return names


def _cpu_slot(index: int) -> Slot:
    return Slot(f"cpu{index}", "cpu", {"CUDA_VISIBLE_DEVICES": "", **ONE_THREAD})


def _cuda_slot(names: tuple[str, ...], job: int, jobs: int) -> Slot:
    label = "+".join(f"cuda{name}" if name.isdecimal() else name.replace("/", "-") for name in names)
    return Slot(label if jobs == 1 else f"{label}.{job}", "cuda", {"CUDA_VISIBLE_DEVICES": ",".join(names), **ONE_THREAD})


def device_name() -> str | None:
    """The name of this machine's GPUs, without starting CUDA; None if they are of several kinds or the name is unknown."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        names = {"" if _is_divided(pynvml, handle) else str(pynvml.nvmlDeviceGetName(handle)) for handle in handles}
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None
    return (names.pop() or None) if len(names) == 1 else None


def _is_divided(nvml: Any, handle: Any) -> bool:
    """Whether a GPU is divided by MIG, whose parts have names of their own."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:
        return False
