"""The metric points of a run: each value of each epoch, and the scores and costs of a complete run.

Trackers list metrics and draw charts in the order of their names, in groups by what is before the last slash. So a number starts
each name, and what a reader looks for first comes first: validation scores, then the mean size of the scales. The scales and
effective sizes of single layers, which are many, come after everything that there is once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2pt.analysis.numbers.rounding import rounded
from m2pt.config import UserError
from m2pt.files.documents import read_lines
from m2pt.runs.attempts import Attempt
from m2pt.runs.folder import TIMES
from m2pt.runs.record import PretrainRecord, Record

EPOCH = "epoch"
"""The metric that comes last in each epoch: its latest value is the last epoch that a tracker shows."""

NO_TIME_MS = 946_684_800_000
"""2000-01-01: the clock starts here for a run whose times are not known (`local/` stays on the machine that ran it)."""

GAIN = "0_gain"
"""The group of the gains that a sweep answers with, which only sweeps have: `over_random`, and so on."""

VALIDATION, SCALES, TRAINING, RESULT = "1_val", "2_scales", "3_train", "4_result"
SCALE, EFFECTIVE_SIZE, SAMPLES, COST, RUNS = "5_scale", "6_effective_size", "7_samples", "8_cost", "9_runs"
"""The groups of metrics."""

_NOT_METRICS = ("epoch", "step")
_EPOCH_GROUPS = {"val": VALIDATION, "train": TRAINING, "scale": SCALE, "effective_size": EFFECTIVE_SIZE}
"""The group of what a history has, by the first part of its name there."""

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
    """When each epoch ended, in milliseconds since 1970; nothing if the file is damaged: no number depends on it.

    An epoch done twice (before a kill and after it) keeps its first time, which may be published already.
    """
    times: dict[int, int] = {}
    try:
        for line in read_lines(run_dir / TIMES):
            times.setdefault(int(line["epoch"]), int(line["time_ms"]))
    except (UserError, KeyError, TypeError, ValueError):
        return {}
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
        epochs[epoch] = _points(line, previous)
    return epochs


def _points(line: Mapping[str, Any], time_ms: int) -> list[Point]:
    """The points of an epoch in the order of their names, because a tracker may list them as they came; last the epoch itself."""
    values = {
        key: float(value)
        for key, value in line.items()
        if key not in _NOT_METRICS and isinstance(value, int | float) and not isinstance(value, bool)
    }
    points: list[Point] = []
    for group, name in ((SCALE, "abs_mean"), (EFFECTIVE_SIZE, "effective_size_mean")):
        sizes = [abs(value) for key, value in values.items() if _EPOCH_GROUPS.get(key.split("/")[0]) == group]
        if sizes:
            points.append(Point(f"{SCALES}/{name}", sum(sizes) / len(sizes), line["epoch"], time_ms))
    points += [Point(_name(key), value, line["epoch"], time_ms) for key, value in values.items()]
    return [*sorted(points, key=lambda point: point.key), Point(EPOCH, float(line["epoch"]), line["epoch"], time_ms)]


def _name(key: str) -> str:
    """The metric of a key of the history. The mean size of a scale with several entries is in the group of the scales too."""
    first, *rest = key.split("/")
    if not rest:
        return f"{TRAINING}/{key}"  # the rates
    return f"{_EPOCH_GROUPS.get(first, TRAINING)}/{'.'.join(rest)}"


def mean_validation(metric: str, method: str) -> str:
    """The metric of a sweep: a method's mean validation score over its complete runs."""
    return f"{VALIDATION}/mean_{metric}/{method}"


def mean_test(metric: str, method: str) -> str:
    """The metric of a sweep: a method's mean test score over its complete runs."""
    return f"{RESULT}/mean_test_{metric}/{method}"


def state(name: str) -> str:
    """The metric of a sweep: how many runs are in a state."""
    return f"{RUNS}/{name}"


def summary_points(record: Record, attempts: Sequence[Attempt], time_ms: int, trial: bool = False) -> list[Point]:
    """The scores and costs of a complete run, at step 0: a chart of them compares runs side by side; none of a trial's test."""
    values = _scores(record) | _costs(attempts)
    if trial:
        values.pop(f"{RESULT}/test_{record.metric}", None)
    return [Point(key, float(value), 0, time_ms) for key, value in values.items() if value is not None]


def told(record: Record, trial: bool = False) -> str:
    """The scores of a complete run in one sentence, in Markdown; none of a trial's test."""
    from m2pt.analysis.numbers.cells import MEASURES  # it comes with the statistics of a report

    measure = MEASURES.get(record.metric, record.metric.replace("_", " "))
    scores = [] if trial or isinstance(record, PretrainRecord) else [f"test {measure} **{rounded(record.test_score, 1)} %**"]
    if record.val_score is not None:
        shown = f"{record.val_score:.3g}" if record.metric.endswith("loss") else f"{rounded(record.val_score, 1)} %"
        scores.append(f"validation {measure} {shown}")
    sentence = "; ".join(scores)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _scores(record: Record) -> Values:
    values: Values = {f"val_{record.metric}": record.val_score, "parameters": record.parameters}
    if isinstance(record, PretrainRecord):
        return _in_group(RESULT, values)
    values |= {key: getattr(record, key) for key in ("scale_abs_mean", "effective_size_mean", "trainable_parameters")}
    values[f"test_{record.metric}"] = record.test_score
    values["merge_max_logit_difference"] = record.merge.max_logit_difference if record.merge else None
    samples: Values = {}
    for split, counts in record.samples.items():
        samples |= {f"{split}_{kind}": count for kind, count in counts.model_dump().items()}
    return _in_group(RESULT, values) | _in_group(SAMPLES, samples)


def _costs(attempts: Sequence[Attempt]) -> Values:
    """Seconds and joules of all attempts together, the largest peak of memory, and the inference of the last attempt.

    A sum is left out where one attempt does not have the value: it would be too small.
    """
    if not attempts:
        return {}
    purposes = sorted({purpose for attempt in attempts for purpose in attempt.seconds})
    values: Values = {f"seconds_{purpose}": _sum([attempt.seconds_of(purpose) for attempt in attempts]) for purpose in purposes}
    values["energy_joules"] = _sum([attempt.energy_joules for attempt in attempts])
    peaks = [peak for attempt in attempts if (peak := attempt.peak_memory_bytes)]
    values["peak_memory_mib"] = max(peaks) / 2**20 if peaks else None
    inference = attempts[-1].inference
    values |= {f"inference_{name}": value for name, value in (inference.model_dump() if inference else {}).items()}
    return _in_group(COST, values)


def _in_group(group: str, values: Values) -> Values:
    return {f"{group}/{name}": value for name, value in values.items()}


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
