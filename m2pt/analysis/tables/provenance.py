"""Where, when and with what the runs were executed: what differs between executions, and is never hashed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.runs.attempts import Attempt, read_attempts

PACKAGES = ("python", "torch", "timm", "numpy", "m2pt")
_FACTS = ("device", "device_name", "threads", "git_commit", "code_sha256", "cpu_capability", "cuda", "platform")
SECONDS = ("load", "train", "evaluate", "total")
TIMINGS = (
    "run_id", "kind", "attempts", "started", *(f"{part}_seconds" for part in SECONDS), "devices", "device_seconds",
    "energy_joules", "latency_ms", "plain_latency_ms", "device", "device_name", "threads", "peak_memory_bytes", "git_commit",
    "code_sha256", "cpu_capability", "cuda", "platform", *PACKAGES,
)  # fmt: skip
"""The columns of the table of timings. Seconds, device seconds (seconds times devices) and energy are summed over all attempts of
a run, including failed ones; the device, and how many of them, are those of its last attempt. They are empty where one of the
attempts did not measure them (of a killed one, only the total up to its last epoch is known).
Latencies are those of one forward pass of the final model, and of a plain model measured with it.
"""


def timings(run_dirs: Iterable[tuple[str, Path]]) -> pd.DataFrame:
    """One row per run with a record of its execution; a run that has none has no row.

    Args:
        run_dirs: kind of run (`finetune`, `pretrain`) and its folder.

    """
    rows = []
    for kind, run_dir in run_dirs:
        if attempts := read_attempts(run_dir):
            rows.append({"run_id": run_dir.name, "kind": kind, **_row(attempts)})
    return pd.DataFrame(rows, columns=list(TIMINGS))


def _row(attempts: Sequence[Attempt]) -> dict[str, Any]:
    last = attempts[-1]
    row: dict[str, Any] = {"attempts": len(attempts), "started": attempts[0].started}
    for purpose in SECONDS:
        row[f"{purpose}_seconds"] = _sum(attempt.seconds_of(purpose) for attempt in attempts)
    row |= {"devices": last.devices, "device_seconds": _device_seconds(attempts)}
    row["energy_joules"] = _sum(attempt.energy_joules for attempt in attempts)
    inference = next((attempt.inference for attempt in reversed(attempts) if attempt.inference), None)
    row |= {name: getattr(inference, name) if inference else None for name in ("latency_ms", "plain_latency_ms")}
    row |= {key: getattr(last, key) for key in _FACTS}
    row["peak_memory_bytes"] = max(
        (peak for attempt in attempts if (peak := attempt.peak_memory_bytes) is not None), default=None
    )
    return row | {name: last.versions.get(name) for name in PACKAGES}


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum over all attempts; None where one of them is unknown: the sum of the others would be too small."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return round(total, 3)


def _device_seconds(attempts: Sequence[Attempt]) -> float | None:
    spent = [attempt.seconds["total"] * attempt.devices for attempt in attempts if "total" in attempt.seconds]
    return round(sum(spent), 3) if spent else None


def totals(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Number of runs and sum and median of their seconds, per kind of run."""
    return {
        str(kind): {
            "runs": len(rows),
            "seconds": float(rows["total_seconds"].sum()),
            "median_seconds": float(rows["total_seconds"].median()),
        }
        for kind, rows in table.dropna(subset="total_seconds").groupby("kind")
    }
