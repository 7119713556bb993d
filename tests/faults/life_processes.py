"""The processes of a life: found by a variable that each of them has inherited."""

import os
import signal
from pathlib import Path

MARK = "M2PT_FAULTS_LIFE"

_KINDS = (
    ("m2pt.job", "worker"), ("server_process", "server"), ("Agent", "helper"), ("ray::", "actor"), ("gcs_server", "gcs"),
    ("raylet/raylet", "raylet"), ("/ray/", "helper"), ("submitit.core._submit", "job"), ("slurm_script", "script"),
    ("pipelines", "driver"),
)  # fmt: skip
"""A kind by a part of its command, the first that fits."""


def processes(mark: str) -> dict[int, str]:
    """The processes of a life with the kind of each."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if words and state != b"Z":
                    found[int(process.name)] = next((kind for part, kind in _KINDS if part in words), "other")
        except OSError:
            continue
    return found


def kill(pid: int) -> bool:
    """Kill a process; whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end(mark: str) -> None:
    """Kill all processes of a life."""
    for pid in processes(mark):
        kill(pid)
