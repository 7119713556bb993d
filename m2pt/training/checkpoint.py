"""Checkpoints, from which an interrupted run continues to exactly the same bits as without the interruption.

Training draws every random number from a generator seeded by (seed, purpose, epoch), so a checkpoint at the end of an epoch
needs no generator state.
"""

import hashlib
import io
import os
import time
from pathlib import Path
from typing import Any

import torch

from m2pt.files.documents import write_atomic
from m2pt.files.leases import require_leases
from m2pt.runs.folder import CHECKPOINT

_MARK = "m2pt checkpoint sha256 "
_SEAL_BYTES = len(_MARK) + 65
_PART_BYTES = 2**22


class Clock:
    """Says when a checkpoint is due by time, of which every `every_s` seconds one is wanted (None: none)."""

    def __init__(self, every_s: float | None) -> None:
        self._every_s = every_s
        self.reset()

    def reset(self) -> None:
        """Count from now on, because a checkpoint was written."""
        self._from = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last checkpoint is that old."""
        return self._every_s is not None and time.monotonic() - self._from >= self._every_s


def save_checkpoint(run_dir: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint of tensors and plain data, atomically. Raises `UserError` if there is no space."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(_seal(run_dir, hashlib.sha256(buffer.getbuffer())))
    write_atomic(run_dir / CHECKPOINT, buffer.getvalue(), durable=False)  # a damaged one only costs time: the run starts over


def load_checkpoint(run_dir: Path, device: torch.device) -> dict[str, Any] | None:
    """The last checkpoint of a run; None if there is none or it is not as it was written (the run then starts over)."""
    path = run_dir / CHECKPOINT
    if not path.is_file():
        return None
    if is_whole(run_dir):
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return state
    require_leases()
    print(f"{path}: is not as this run has written it; the run starts over.", flush=True)
    path.unlink(missing_ok=True)  # the other processes of a run on several devices see the same
    return None


def epochs_of_checkpoint(run_dir: Path) -> int | None:
    """The last epoch that a run's checkpoint has completed (0: it is within the first); None if the run would start over."""
    if not is_whole(run_dir):
        return None
    return len(torch.load(run_dir / CHECKPOINT, map_location="cpu", weights_only=True, mmap=True)["history"])


def _seal(run_dir: Path, digest: "hashlib._Hash") -> bytes:
    """The end of a run's checkpoint: what is before it, and whose it is. Torch ignores what follows its archive."""
    digest.update(run_dir.resolve().name.encode())
    return f"{_MARK}{digest.hexdigest()}\n".encode()


def is_whole(run_dir: Path) -> bool:
    """Whether a run has a checkpoint with every bit as the run wrote it: torch loads many damaged ones as another state."""
    try:
        with (run_dir / CHECKPOINT).open("rb") as file:
            left = file.seek(0, os.SEEK_END) - _SEAL_BYTES
            file.seek(0)
            digest = hashlib.sha256()
            while left > 0 and (part := file.read(min(left, _PART_BYTES))):
                digest.update(part)
                left -= len(part)
            return left == 0 and file.read() == _seal(run_dir, digest)
    except OSError:
        return False


def remove_checkpoint(run_dir: Path) -> None:
    """Remove the checkpoint of a complete run."""
    require_leases()
    (run_dir / CHECKPOINT).unlink(missing_ok=True)
