"""The environment that a run is computed in: source code, packages, device.

It is recorded for every attempt (`m2pt.runs.attempts`) and never hashed into an id: equal ids mean that the same was asked for,
equal environments that the numbers may be compared. Two environments differ by what `EnvironmentFacts.compared` lists, and by
nothing else.
"""

import functools
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

import m2pt
from m2pt.config import Frozen, UserError
from m2pt.runs.source import code_sha256

if TYPE_CHECKING:
    import torch

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "pillow", "h5py", "av", "soundfile", "kaldi-native-fbank",
    "peft",
)  # fmt: skip
"""What runs compute with, or read data and weights with."""

WAY_OUT = "set execution.other_environment to redo (all of them again, the old ones kept aside) or to mix (the report names both)"
CODE, DEVICE, ALGORITHMS = "m2pt's source code", "device", "algorithms"
ANY = "that may differ from run to run"
_DIGITS = 10

Compared = tuple[tuple[str, str | None], ...]
"""What two environments are compared by: names and values, None for a value that is not known."""


class EnvironmentFacts(Frozen):
    """An environment as an attempt records it; None where a fact is unknown, or was not recorded by older code."""

    device: str | None = None
    """`cpu` or `cuda`."""

    device_name: str | None = None
    """The name that the device reports."""

    threads: int | None = None
    """Threads that the run computes with."""

    cpu_capability: str | None = None
    """The vector instructions that torch uses, e.g. `AVX2`."""

    cuda: str | None = None
    cudnn: int | None = None
    deterministic: bool | None = None
    """Whether equal runs give equal bits on the device (`execution.deterministic`); older code always saw to that."""

    platform: str | None = None
    code_sha256: str | None = None
    """Digest of the source files that runs compute with (`m2pt.runs.source`)."""

    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of Python, m2pt and `PACKAGES`."""

    @property
    def compared(self) -> Compared:
        """What is compared of environments; every value is None if nothing was recorded."""
        code, device = self.code_sha256, f"{self.device} ({self.device_name})" if self.device_name else self.device
        values: dict[str, Any] = {CODE: code[:_DIGITS] if code else None, "Python": self.versions.get("python")}
        values |= {package: self.versions.get(package) for package in PACKAGES}
        values |= {DEVICE: device, "CPU capability": self.cpu_capability, "CUDA": self.cuda, "cuDNN": self.cudnn}
        values |= {ALGORITHMS: ANY if self.deterministic is False else None}
        values |= {"threads": self.threads, "platform": self.platform}
        return tuple((key, None if value is None else str(value)) for key, value in values.items())


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, m2pt and those of `PACKAGES` that are installed."""
    installed = {"python": platform.python_version(), "m2pt": m2pt.__version__}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            installed[package] = version(package)
    return installed


def cpu_capability() -> str:
    """The vector instructions that torch uses on this processor. It takes the import of torch to know."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


def facts(
    device: str, device_name: str | None, threads: int, capability: str | None = None, *, deterministic: bool = True
) -> EnvironmentFacts:
    """The environment of a run in this process, or in a process that this one starts.

    Args:
        device: `cpu` or `cuda`.
        device_name: the name that the device reports, None if this process cannot know it.
        threads: how many threads the run computes with.
        capability: what `cpu_capability` returns, from a caller that remembers it.
        deterministic: whether torch may only use algorithms that give equal bits.

    """
    cuda, cudnn = _cuda_versions() if device == "cuda" else (None, None)
    return EnvironmentFacts(
        device=device,
        device_name=device_name,
        threads=threads,
        cpu_capability=capability or cpu_capability(),
        cuda=cuda,
        cudnn=cudnn,
        deterministic=deterministic,
        platform=f"{platform.system()} {platform.machine()}",
        code_sha256=code_sha256(),
        versions=versions(),
    )


def with_algorithms(compared: Compared, *, deterministic: bool) -> Compared:
    """An environment with the algorithms that runs are allowed to use in it."""
    return tuple((key, value if key != ALGORITHMS or deterministic else ANY) for key, value in compared)


def _cuda_versions() -> tuple[str | None, int | None]:
    import torch

    return torch.version.cuda, torch.backends.cudnn.version()


def device_name(device: "torch.device") -> str:
    """The name that the device reports."""
    if device.type != "cuda":
        return processor_name()
    import torch

    return torch.cuda.get_device_name(device)


@functools.cache
def processor_name() -> str:
    """The name that the processor reports."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def differences(there: Compared, here: Compared) -> list[str]:
    """What differs between two environments, each in a few words; empty if they are the same.

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
    """Refuse an environment that differs from that of a run which this one will be compared with.

    Raises:
        UserError: it says what differs, and the key that allows it.

    """
    for there in beside:
        if differing := differences(there, here):
            words = ", ".join(differing)
            raise UserError(f"existing runs were computed with {words}, and this one would be compared with them; {WAY_OUT}.")
