"""With what a run is computed: the source code, the packages, the device.

It is recorded for every attempt (`m2pt.runs.attempts`) and never hashed into an id: equal ids say that the same was asked
for, equal environments that the numbers may stand beside each other. Two environments
differ by what `compared` tells of them, and by nothing else.
"""

import functools
import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import m2pt
from m2pt.config import UserError

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "pillow", "h5py", "av", "soundfile", "kaldi-native-fbank",
    "peft",
)  # fmt: skip
"""What runs compute with, or read data and weights with."""

APART = ("analysis", "config/study_file.py", "methods/__main__.py", "models/costs.py", "runs/trials.py")
"""The parts of m2pt that no run computes with; all the rest is in `code_sha256`."""

WAY_OUT = "set execution.other_environment to redo (all of them anew, the old ones kept aside) or to mix (the report names both)"
CODE, DEVICE = "m2pt's source code", "device"
_DIGITS = 10

Compared = tuple[tuple[str, str | None], ...]
"""What two environments are compared by: names and values, a value that is not known as None."""


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, this package and what it computes with."""
    found = {"python": platform.python_version(), "m2pt": m2pt.__version__}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@functools.cache
def code_sha256() -> str:
    """SHA-256 over the names and contents of the source files that runs compute with, as they stand when it is first asked for.

    It follows from the installed files alone: a checkout and a wheel of the same code have the same one, and a changed file has
    another, whether git knows of it or not.
    """
    return digest_of(Path(m2pt.__file__).parent)


def digest_of(package: Path) -> str:
    """The same of the package in a folder. How lines end does not count: git may change it."""
    total = hashlib.sha256()
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    for name in sorted(files):
        if not any(name == part or name.startswith(f"{part}/") for part in APART):
            content = files[name].read_bytes().replace(b"\r\n", b"\n")
            total.update(os.fsencode(name) + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()


def facts(device: str, device_name: str | None, threads: int) -> dict[str, Any]:
    """The environment of a run in this process, or in one that it starts, as an attempt records it.

    Args:
        device: `cpu` or `cuda`.
        device_name: what the device calls itself, None where this process cannot know it.
        threads: how many threads the run computes with.

    """
    cuda = device == "cuda"
    return {
        "device": device,
        "device_name": device_name,
        "threads": threads,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "platform": f"{platform.system()} {platform.machine()}",
        "code_sha256": code_sha256(),
        "versions": versions(),
    }


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


@functools.cache
def processor_name() -> str:
    """What the processor calls itself."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def compared(attempt: Mapping[str, Any]) -> Compared:
    """What is compared of the environment of an attempt; all of it is None where nothing is recorded."""
    recorded = attempt.get("versions") or {}
    code = attempt.get("code_sha256")
    device, name = attempt.get("device"), attempt.get("device_name")
    values: dict[str, Any] = {CODE: code[:_DIGITS] if code else None, "Python": recorded.get("python")}
    values |= {package: recorded.get(package) for package in PACKAGES}
    values |= {DEVICE: f"{device} ({name})" if name else device, "CPU capability": attempt.get("cpu_capability")}
    values |= {"CUDA": attempt.get("cuda"), "cuDNN": attempt.get("cudnn"), "threads": attempt.get("threads")}
    values |= {"platform": attempt.get("platform")}
    return tuple((key, None if value is None else str(value)) for key, value in values.items())


def contributing(attempts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The attempts that a run's numbers come from: the last that began anew, and those that went on from it."""
    anew = [index for index, attempt in enumerate(attempts) if not attempt.get("resumed", attempt.get("resumed_from_epoch"))]
    return list(attempts[anew[-1] if anew else 0 :])


def differences(there: Compared, here: Compared) -> list[str]:
    """What differs between two environments, each in a few words; nothing where they are the same.

    A device whose name is not known on one side is compared by its kind.
    """
    theirs, ours = dict(there), dict(here)
    if all(value is None for value in theirs.values()):
        return ["an environment that is not recorded"]
    return [_words(key, theirs[key], ours[key]) for key in theirs if not _same(key, theirs[key], ours[key])]


def _same(key: str, first: str | None, second: str | None) -> bool:
    if key == DEVICE and first and second and not (first.endswith(")") and second.endswith(")")):
        return first.partition(" ")[0] == second.partition(" ")[0]
    return first == second


def _words(key: str, there: str | None, here: str | None) -> str:
    return f"{key} {there or 'not recorded' if key == CODE else there or 'none'} (here {here or 'none'})"


def require(here: Compared, beside: Sequence[Compared]) -> None:
    """Refuse an environment that differs from one of those whose runs the results will stand beside.

    Raises:
        UserError: it says what differs, and the key that allows it.

    """
    for there in beside:
        if found := differences(there, here):
            raise UserError(
                f"runs that stand were computed with {', '.join(found)}, and this one would be compared with them; {WAY_OUT}."
            )
