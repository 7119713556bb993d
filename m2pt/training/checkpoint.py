"""Checkpoints, from which an interrupted run continues to exactly the same bits as without the interruption.

Training draws every random number from a generator seeded by (seed, purpose, epoch), so a checkpoint at the end of an epoch
needs no generator state.
"""

import io
import pickle
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from m2pt.files.documents import write_atomic
from m2pt.files.leases import require_leases
from m2pt.runs.folder import CHECKPOINT

_DAMAGES = (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError, struct.error)
"""What reading a damaged checkpoint can raise: a file cut short, pages of zeros, other content."""


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
    write_atomic(run_dir / CHECKPOINT, buffer.getvalue(), durable=False)  # a damaged one only costs time: the run starts over


def load_checkpoint(run_dir: Path, device: torch.device) -> dict[str, Any] | None:
    """The last checkpoint of a run; None if there is none or it is damaged (the run then starts over)."""
    path = run_dir / CHECKPOINT
    if not path.is_file():
        return None
    with suppress(*_DAMAGES):
        state = torch.load(path, map_location=device, weights_only=True)
        if isinstance(state, dict):
            return state
    require_leases()
    path.unlink()
    return None


def epochs_of_checkpoint(run_dir: Path) -> int | None:
    """The last epoch that a run's checkpoint has completed (0: it is within the first); None if the run would start over."""
    try:
        return len(torch.load(run_dir / CHECKPOINT, map_location="cpu", weights_only=True, mmap=True)["history"])
    except _DAMAGES:
        return None


def remove_checkpoint(run_dir: Path) -> None:
    """Remove the checkpoint of a complete run."""
    require_leases()
    (run_dir / CHECKPOINT).unlink(missing_ok=True)
