"""The ledger of a run: for each attempt its seconds, devices, energy, peak memory, inference, versions and git commit.

Recorded, never hashed.
"""

import functools
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import m2pt
from m2pt.config import UserError
from m2pt.files.documents import read_json, read_lines, write_json
from m2pt.runs.folder import ATTEMPT, EXECUTION, TIMES

_PROCESS = Path("/proc/self")


def now() -> str:
    """The time, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def git_commit() -> str | None:
    """The commit of m2pt's source tree, `+changes` where files differ from it or are new; None outside a checkout of it."""
    return commit_of(Path(m2pt.__file__).parent)


def commit_of(source: Path) -> str | None:
    """The same of the package in a folder. A checkout that the package merely lies in, ignored by it, is not its own."""
    if _git(source, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
        return None
    commit, changes = _git(source, "rev-parse", "HEAD"), _git(source, "status", "--porcelain", "--", ".")
    if commit is None or changes is None:
        return None
    return commit.strip() + ("+changes" if changes.strip() else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None where it fails. Variables of a git command that started us tell of its repository."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "status.showUntrackedFiles=normal", *arguments],
            cwd=folder,
            env=variables,
            capture_output=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")


class PeakMemory:
    """The most memory held since this was made: of the device's allocator on CUDA, of the whole process on the CPU.

    A process may do many runs, and not every system lets its peak begin anew (Linux does, by `/proc/self/clear_refs`; macOS and
    containers with a read-only `/proc` do not). There, a peak above what is held at the start is an earlier run's until one above
    that is reached.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._earlier = 0
        if device.type == "cuda":
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
        """Bytes; None where the system does not tell them apart from what the process held earlier."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        peak = _process_bytes("VmHWM") or _life_peak_bytes()
        return peak if peak > self._earlier else None


_COUNTED_LATE = 4 * 2**20
"""How far apart Linux may tell two counts of one amount of memory: it adds up what each thread has noted late."""


def _process_bytes(name: str) -> int | None:
    """A count of memory of this process; None where the system does not tell it."""
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _life_peak_bytes() -> int:
    """The most that this process held in all its life."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def begin_attempt(run_dir: Path, facts: Mapping[str, Any]) -> None:
    """Note what is known of an attempt that begins, so that it is not forgotten if it is killed.

    An attempt before it that was killed goes into the ledger here, with the seconds up to its last sign of life: the end of the
    last epoch that it did. What it took beyond that, and its energy, nobody knows.
    """
    if (run_dir / ATTEMPT).is_file():
        killed = _killed(run_dir)
        if killed is not None:
            add_attempt(run_dir, killed)
    write_json(run_dir / ATTEMPT, facts)


def end_attempt(run_dir: Path, facts: Mapping[str, Any]) -> None:
    """Put an attempt that has ended, in whatever way, into the ledger."""
    add_attempt(run_dir, facts)
    (run_dir / ATTEMPT).unlink(missing_ok=True)


def _killed(run_dir: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = read_json(run_dir / ATTEMPT)
        started = datetime.fromisoformat(facts["started"]).timestamp()
        last = max((line["time_ms"] / 1000 for line in read_lines(run_dir / TIMES)), default=started)
    except (UserError, ValueError, KeyError, TypeError):  # cut off with the power: nothing is known
        return None
    return facts | {"interrupted": True, "seconds": {"total": round(max(0.0, last - started), 3)}}


def add_attempt(run_dir: Path, attempt: Mapping[str, Any]) -> None:
    """Append one attempt to the ledger of a run."""
    path = run_dir / EXECUTION
    attempts = read_json(path)["attempts"] if path.is_file() else []
    write_json(path, {"attempts": [*attempts, dict(attempt)]})
