"""The metric points of a run: each value of each epoch, and the scores and costs of a complete run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.files.documents import read_lines
from m2pt.runs.attempts import Attempt
from m2pt.runs.folder import TIMES
from m2pt.runs.record import PretrainRecord, Record

EPOCH = "epoch"
"""The metric that comes last in each epoch: its latest value is the last epoch that a tracker shows."""

NO_TIME_MS = 946_684_800_000
"""2000-01-01: the clock starts here for a run whose times are not known (`local/` stays on the machine that ran it)."""

_NOT_METRICS = ("epoch", "step")

Values = dict[str, float | None]
"""Metrics by name; None where a run does not have one."""


@dataclass(frozen=True)
class Point:
    """One value of one metric; `step` is the epoch."""

    key: str
    value: float
    step: int
    time_ms: int


def read_times(run_dir: Path) -> dict[int, int]:
    """When each epoch ended, in milliseconds since 1970.

    An epoch done twice (before a kill and after it) keeps its first time, which may be published already.
    """
    times: dict[int, int] = {}
    for line in read_lines(run_dir / TIMES):
        times.setdefault(line["epoch"], line["time_ms"])
    return times


def epoch_points(history: Sequence[Mapping[str, Any]], times: dict[int, int], running: bool) -> dict[int, list[Point]]:
    """The points of each epoch, in order.

    In a running run an epoch waits for its time, so that no point has to be moved later. Otherwise a missing time is filled in
    (in `times` too), one second after the epoch before.
    """
    epochs: dict[int, list[Point]] = {}
    previous = NO_TIME_MS
    for line in history:
        epoch = line["epoch"]
        if running and epoch not in times:
            break
        previous = times.setdefault(epoch, previous + 1000)
        epochs[epoch] = list(_points(line, previous))
    return epochs


def _points(line: Mapping[str, Any], time_ms: int) -> Iterator[Point]:
    for key, value in line.items():
        if key not in _NOT_METRICS and isinstance(value, int | float) and not isinstance(value, bool):
            yield Point(key, float(value), line["epoch"], time_ms)
    yield Point(EPOCH, float(line["epoch"]), line["epoch"], time_ms)


def summary_points(record: Record, attempts: Sequence[Attempt], time_ms: int) -> list[Point]:
    """The scores and costs of a complete run, at step 0: a chart of them compares runs side by side."""
    values = _scores(record) | _costs(attempts)
    return [Point(key, float(value), 0, time_ms) for key, value in values.items() if value is not None]


def _scores(record: Record) -> Values:
    values: Values = {"val/score": record.val_score, "parameters": record.parameters}
    if isinstance(record, PretrainRecord):
        return values
    values |= {key: getattr(record, key) for key in ("scale_abs_mean", "effective_size_mean", "trainable_parameters")}
    values[f"test/{record.metric}"] = record.test_score
    values["merge/max_logit_difference"] = record.merge.max_logit_difference if record.merge else None
    for split, counts in record.samples.items():
        values |= {f"samples/{split}/{kind}": count for kind, count in counts.model_dump().items()}
    return values


def _costs(attempts: Sequence[Attempt]) -> Values:
    """Seconds and joules of all attempts together, the largest peak of memory, and the inference of the last attempt.

    A sum is left out where one attempt does not have the value: it would be too small.
    """
    if not attempts:
        return {}
    purposes = sorted({purpose for attempt in attempts for purpose in attempt.seconds})
    values: Values = {f"seconds/{purpose}": _sum([attempt.seconds_of(purpose) for attempt in attempts]) for purpose in purposes}
    values["energy_joules"] = _sum([attempt.energy_joules for attempt in attempts])
    peaks = [peak for attempt in attempts if (peak := attempt.peak_memory_bytes)]
    values["peak_memory_mib"] = max(peaks) / 2**20 if peaks else None
    inference = attempts[-1].inference
    return values | {f"inference/{name}": value for name, value in (inference.model_dump() if inference else {}).items()}


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
