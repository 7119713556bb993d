"""The vector instructions that torch uses on this processor, remembered: a plan needs nothing else of torch, which loads slowly.

They are remembered under what they depend on: the installed torch, the processor's own instructions, and the variable that
restricts torch to fewer.
"""

import hashlib
import os
import platform
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from m2pt.files.memory import remembered
from m2pt.files.state import FileState, state_of
from m2pt.runs.environment import cpu_capability

_CPU = Path("/proc/cpuinfo")
_FILES = ("version.py", "lib/libtorch_cpu.so", "lib/libtorch_cpu.dylib")
"""Files of torch that are new in every installation."""


def known_capability(cache: Path) -> str:
    """As `cpu_capability`, but torch is only asked once; what it says is remembered below `cache`."""
    installed, processor = _installed(), [platform.machine(), _instructions(), os.environ.get("ATEN_CPU_CAPABILITY")]
    if not installed:
        return cpu_capability()
    name = hashlib.sha256(repr(processor).encode()).hexdigest()[:16]  # several hosts may share the folder
    return remembered(cache / "capability" / f"{name}.json", installed, cpu_capability, beside=repr(processor))


def _installed() -> dict[str, FileState]:
    """The state of torch's files; empty if there are none where it is looked for."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return {}
    files = [Path(torch.origin).parent / name for name in _FILES]
    return {file.name: state_of(file.stat()) for file in files if file.is_file()}


def _instructions() -> str:
    """What the system says of the instructions of its first processor."""
    with suppress(OSError):
        for line in _CPU.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()
