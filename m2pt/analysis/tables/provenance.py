"""Where, when and with what the runs were executed: what differs from one execution to the next, and is never hashed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from m2pt.files import documents
from m2pt.runs.folder import EXECUTION

PACKAGES = ("python", "torch", "timm", "numpy", "m2pt")
_FACTS = ("device", "device_name", "threads", "git_commit", "code_sha256", "cpu_capability", "cuda", "platform")
SECONDS = ("load", "train", "evaluate", "total")
TIMINGS = (
    "run_id", "kind", "attempts", "started", *(f"{part}_seconds" for part in SECONDS), "devices", "device_seconds",
    "energy_joules", "latency_ms", "plain_latency_ms", "device", "device_name", "threads", "peak_memory_bytes", "git_commit",
    "code_sha256", "cpu_capability", "cuda", "platform", *PACKAGES,
)  # fmt: skip
"""The columns of the table of timings. Seconds, device seconds (seconds times devices) and energy are summed over all attempts of
a run, also those that failed; the device, and how many of them, are those of its last attempt. They are empty where one of the
attempts did not measure them (of one that was killed, the total up to its last epoch alone is known).
Latencies are those of one forward pass of the final model, and of a plain model measured beside it.
"""


def timings(run_dirs: Iterable[tuple[str, Path]]) -> pd.DataFrame:
    """One row per run with a record of its execution; a run that has none has no row.

    Args:
        run_dirs: kind of run (`finetune`, `pretrain`) and its folder.

    """
    rows = []
    for kind, run_dir in run_dirs:
        if (run_dir / EXECUTION).is_file():
            attempts = documents.read_json(run_dir / EXECUTION).get("attempts") or []
            if attempts:
                rows.append({"run_id": run_dir.name, "kind": kind, **_row(attempts)})
    return pd.DataFrame(rows, columns=list(TIMINGS))


def _row(attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = attempts[-1]
    row: dict[str, Any] = {"attempts": len(attempts), "started": attempts[0].get("started")}
    for part in SECONDS:
        measured = [seconds_of(attempt, part) for attempt in attempts]
        row[f"{part}_seconds"] = None if None in measured else round(sum(value for value in measured if value is not None), 3)
    row |= {"devices": last.get("devices", 1), "device_seconds": _device_seconds(attempts), "energy_joules": _energy(attempts)}
    row |= {name: latency.get(name) for latency in [_inference(attempts)] for name in ("latency_ms", "plain_latency_ms")}
    memory = [attempt["peak_memory_bytes"] for attempt in attempts if attempt.get("peak_memory_bytes") is not None]
    versions = last.get("versions") or {}
    row |= {key: last.get(key) for key in _FACTS}
    return row | {"peak_memory_bytes": max(memory, default=None)} | {name: versions.get(name) for name in PACKAGES}


def seconds_of(attempt: Mapping[str, Any], part: str) -> float | None:
    """What an attempt spent on a part of its work; None where nobody knows, as of one that was killed."""
    seconds = attempt.get("seconds") or {}
    unknown = attempt.get("interrupted") or not seconds
    return seconds.get(part, None if unknown else 0.0)


def _device_seconds(attempts: Sequence[Mapping[str, Any]]) -> float | None:
    spent = [
        seconds["total"] * attempt.get("devices", 1)
        for attempt in attempts
        if "total" in (seconds := attempt.get("seconds") or {})
    ]
    return round(sum(spent), 3) if spent else None


def _energy(attempts: Sequence[Mapping[str, Any]]) -> float | None:
    """The energy of all attempts; None where one does not tell it: the sum of the others would be too small."""
    joules = [attempt.get("energy_joules") for attempt in attempts]
    return None if None in joules else round(sum(value for value in joules if value is not None), 3)


def _inference(attempts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The last measurement of a forward pass; empty where no attempt has one."""
    return next((found for attempt in reversed(attempts) if (found := attempt.get("inference"))), {})


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
