"""The history of a run while it is written: one line per epoch, flushed at once, rewound to the checkpoint on resuming."""

import json
import time
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.documents import write_atomic
from m2pt.files.leases import require_leases
from m2pt.runs.folder import HISTORY, TIMES


class Journal:
    """Appends epochs to `history.jsonl`, and when each ended to `local/times.jsonl`; writes no files unless `writes`."""

    def __init__(self, run_dir: Path, lines: list[dict[str, Any]], *, writes: bool = True) -> None:
        self.lines = list(lines)
        self._writes = writes
        self._run_dir = run_dir
        if not writes:
            return
        self._history = run_dir / HISTORY
        self._times = run_dir / TIMES
        # Both are new files, so that what an earlier process of this run appends too late does not appear in them.
        write_atomic(self._history, "".join(_line(line) for line in lines).encode())
        known = self._times.read_bytes() if lines and self._times.is_file() else b""
        write_atomic(self._times, known[: known.rfind(b"\n") + 1], durable=False)

    def append(self, line: dict[str, Any]) -> None:
        """Add one epoch.

        Raises:
            LeaseLostError: the run may be another process's by now; nothing was added.
            UserError: there is no space, or a loss is not finite.

        """
        try:
            text = _line(line)
        except ValueError as error:
            raise UserError(f"{self._run_dir}: a metric of epoch {line['epoch']} is not finite: {line}.") from error
        self.lines.append(line)
        if not self._writes:
            return
        self._append(self._history, text)
        self._append(self._times, _line({"epoch": line["epoch"], "time_ms": time.time_ns() // 1_000_000}))

    @staticmethod
    def _append(path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                require_leases()  # once it is open: what the next holder makes is another file
                file.write(text)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); free some space, then run again.") from error


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, allow_nan=False) + "\n"
