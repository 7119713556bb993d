"""The ledger of a run: for each attempt its seconds, device, peak memory, versions and git commit. Recorded, never hashed."""

import functools
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import m2pt
from m2pt.records import EXECUTION, read_json, write_json

PACKAGES = ("torch", "timm", "numpy", "pandas", "safetensors")


def now() -> str:
    """The time, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, this package and what it computes with."""
    found = {"python": platform.python_version(), "m2pt": m2pt.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def git_commit() -> str | None:
    """The commit of the source tree, with `+changes` where tracked files differ; None outside a git checkout."""
    source = Path(m2pt.__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True, timeout=10)
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "."],
            cwd=source,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory: of the device's allocator on CUDA, of this process on the CPU (all runs it has done so far)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def add_attempt(run_dir: Path, attempt: dict[str, Any]) -> None:
    """Append one attempt to the ledger of a run."""
    path = run_dir / EXECUTION
    attempts = read_json(path)["attempts"] if path.is_file() else []
    write_json(path, {"attempts": [*attempts, attempt]})
