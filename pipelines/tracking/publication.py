"""What of a run is published: its folder as plain parameters, metric points, tags, data sets and files for a tracking store.

Everything here follows from the files of the run alone, so that a store that was lost is filled with the same again.
"""

import fcntl
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from m2pt.analysis.tables.provenance import seconds_of
from m2pt.config import UserError
from m2pt.files.documents import read_json, read_lines
from m2pt.files.state import file_sha256
from m2pt.methods import unread
from m2pt.modalities.recipes import departures, recipes
from m2pt.modalities.registry import dataset_facts
from m2pt.runs.folder import (
    ENCODER,
    EXECUTION,
    FAILURE,
    HISTORY,
    INPUTS,
    LOCK,
    LOG,
    MERGED,
    RECONSTRUCTIONS,
    RECORD,
    SPEC,
    TIMES,
    RunState,
    read_history,
    run_state,
)
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.record import read_record
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from m2pt.runs.unread import is_unread

EPOCH = "epoch"
"""The metric that is logged last of each epoch: its latest value says up to where a run is published."""

NO_TIME_MS = 946_684_800_000
"""2000-01-01: where the clock of a run starts whose times are not at hand (`local/` stays on the machine that ran it)."""

RUN_ID, KIND, STATUS = "m2pt.run_id", "m2pt.kind", "m2pt.status"
"""Tags that say which run it is, `finetune` or `pretrain`, and where it stands."""

POINTS_PER_CALL = 1000
"""The most metric values that MLflow takes at once."""

_NOT_METRICS = ("epoch", "step")
_ERROR_LIMIT = 2000
_TAG_LIMIT = 5000
"""What MLflow's stores take of a tag; the plan and the report have the whole."""
_ORIGIN = ("device", "device_name", "git_commit", "code_sha256", "cpu_capability", "cuda", "cudnn", "platform")


@dataclass(frozen=True)
class Point:
    """One value of one metric; `step` is the epoch."""

    key: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True)
class DataInput:
    """One split of a data set that a run reads; `digest` identifies the content of the whole data set."""

    name: str
    digest: str
    source: str
    context: Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Publication:
    """All that a tracking store shows of one run. `epochs` maps each finished epoch to its points, in order."""

    run_id: str
    name: str
    state: RunState
    signature: str
    params: dict[str, str]
    tags: dict[str, str]
    epochs: dict[int, list[Point]]
    summary: list[Point]
    data: list[DataInput]
    files: list[Path]
    resumed: bool
    started_ms: int | None
    ended_ms: int | None


def state_of(run_dir: Path, active: bool = False) -> RunState:
    """Where a run stands; `active` says that a job is at work on it, which is also seen by the lock that a job holds."""
    state = run_state(run_dir)
    at_work = active if state != RunState.INTERRUPTED else active or _is_locked(run_dir / LOCK)
    return RunState.RUNNING if at_work and state != RunState.COMPLETE else state


def _is_locked(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def signature(run_dir: Path, state: RunState) -> str:
    """Equal as long as a run has nothing new to publish: its state and a digest of what it left behind for good.

    What is made of that is up to this file: where it was changed, runs that are in a store already are published anew.
    """
    digest = hashlib.sha256(_form())
    for name in (SPEC, HISTORY, RECORD, *((FAILURE,) if state == RunState.FAILED else ())):
        path = run_dir / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{state}:{digest.hexdigest()[:16]}"


@functools.cache  # of the code that this process has loaded
def _form() -> bytes:
    return bytes.fromhex(file_sha256(Path(__file__)))


def read_publication(spec: Spec, run_dir: Path, *, active: bool = False, weights_limit_bytes: int = 0) -> Publication:
    """What is to be published of a run now.

    Of an active run only epochs count whose time is on record, so that a point never has to be moved later.

    Raises:
        UserError: a file of the run is damaged.

    """
    try:
        return _read(spec, run_dir, state_of(run_dir, active), weights_limit_bytes)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{run_dir}: its history or record is damaged ({what}); delete the folder and run again.") from error


def _read(spec: Spec, run_dir: Path, state: RunState, weights_limit_bytes: int) -> Publication:
    mark = signature(run_dir, state)
    times = _times(run_dir)
    lines = read_history(run_dir)
    epochs = {
        line["epoch"]: list(_points(line, times[line["epoch"]])) for line in _timed(lines, times, state == RunState.RUNNING)
    }
    attempts: list[dict[str, Any]] = _optional(run_dir / EXECUTION).get("attempts", [])
    started = [round(datetime.fromisoformat(attempt["started"]).timestamp() * 1000) for attempt in attempts]
    seconds = attempts[-1].get("seconds", {}).get("total", 0.0) if attempts else 0.0
    last = max(epochs, default=0)
    last_ms = times.get(last, NO_TIME_MS)
    return Publication(
        run_id=run_id(spec),
        name=spec.name,
        state=state,
        signature=mark,
        params=parameters(spec),
        tags=_identity_tags(spec)
        | _execution_tags(run_dir, attempts)
        | _state_tags(run_dir, state)
        | _sample_tags(run_dir, state),
        epochs=epochs,
        summary=_summary(run_dir, attempts, last_ms) if state == RunState.COMPLETE else [],
        data=_data(spec, run_dir),
        files=_files(run_dir, state, weights_limit_bytes),
        resumed=any(attempt.get("resumed_from_epoch") for attempt in attempts),
        started_ms=started[0] if started else (None if state == RunState.RUNNING else min(times.values(), default=NO_TIME_MS)),
        ended_ms=started[-1] + round(seconds * 1000) if started else last_ms,
    )


def parameters(spec: Spec) -> dict[str, str]:
    """The settings of a run as flat names and texts: `finetune.learning_rate`, `pathway.layers` as a comma list.

    What the run does not read is no setting of it (`m2pt.runs.unread`).
    """
    reasons = unread(spec)
    found = {key: text for key, text in _flat("", spec.model_dump(mode="json")) if is_unread(key, reasons) is None}
    found["recipe_version"] = str(RECIPE_VERSION)
    if isinstance(spec, RunSpec) and spec.tuning == "fix" and spec.pathway is not None:
        found["pathway.auxiliary_trainable"] = "false"  # whatever the section says, only scales and head are trained
    return found


def in_batches(groups: Sequence[Sequence[Point]]) -> Iterator[list[Point]]:
    """Groups of points joined up to the size of one call; only a group above that size is cut."""
    batch: list[Point] = []
    for group in groups:
        if len(batch) + len(group) > POINTS_PER_CALL and batch:
            yield batch
            batch = []
        batch = [*batch, *group]
        while len(batch) > POINTS_PER_CALL:
            yield batch[:POINTS_PER_CALL]
            batch = batch[POINTS_PER_CALL:]
    if batch:
        yield batch


def points_up_to(publication: Publication, epoch: int) -> dict[str, set[tuple[int, int, float]]]:
    """Each metric's points (step, time, value) of the epochs up to `epoch`."""
    points: dict[str, set[tuple[int, int, float]]] = {EPOCH: set()}
    for step in (step for step in publication.epochs if step <= epoch):
        for point in publication.epochs[step]:
            points.setdefault(point.key, set()).add((step, point.time_ms, point.value))
    return points


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _flat(f"{prefix}.{key}" if prefix else key, item)
        case list():
            yield prefix, ",".join(str(item) for item in value)
        case bool():
            yield prefix, str(value).lower()
        case None | "":
            yield prefix, "none"
        case _:
            yield prefix, str(value)


def _times(run_dir: Path) -> dict[int, int]:
    """When each epoch was reached. One done twice (before a kill and after) keeps its first time, which may be out already."""
    times: dict[int, int] = {}
    for line in read_lines(run_dir / TIMES):
        times.setdefault(line["epoch"], line["time_ms"])
    return times


def _timed(lines: list[dict[str, Any]], times: dict[int, int], active: bool) -> Iterator[dict[str, Any]]:
    """The epochs that can be published; a time that is missing for good is filled in, one second after the epoch before."""
    previous = NO_TIME_MS
    for line in lines:
        if active and line["epoch"] not in times:
            return
        previous = times.setdefault(line["epoch"], previous + 1000)
        yield line


def _points(line: Mapping[str, Any], time_ms: int) -> Iterator[Point]:
    for key, value in line.items():
        if key not in _NOT_METRICS and isinstance(value, int | float) and not isinstance(value, bool):
            yield Point(key, float(value), line["epoch"], time_ms)
    yield Point(EPOCH, float(line["epoch"]), line["epoch"], time_ms)


def _summary(run_dir: Path, attempts: list[dict[str, Any]], time_ms: int) -> list[Point]:
    """The scores of a complete run, at step 0: MLflow's charts draw those as bars, side by side for all runs."""
    record = read_record(run_dir)
    values = {
        "val/score": record.get("val_score"),
        f"test/{record['metric']}": record.get("test_score"),
        "scale_abs_mean": record.get("scale_abs_mean"),
        "effective_size_mean": record.get("effective_size_mean"),
        "parameters": record.get("parameters"),
        "trainable_parameters": record.get("trainable_parameters"),
        "merge/max_logit_difference": (record.get("merge") or {}).get("max_logit_difference"),
    }
    for split, counts in (record.get("samples") or {}).items():
        values |= {f"samples/{split}/{kind}": count for kind, count in counts.items()}
    for part in {part for attempt in attempts for part in attempt.get("seconds", {})}:
        known = [seconds_of(attempt, part) for attempt in attempts]
        if None not in known:  # a sum without one of them would be too small
            values[f"seconds/{part}"] = sum(value for value in known if value is not None)
    peaks = [attempt["peak_memory_bytes"] for attempt in attempts if attempt.get("peak_memory_bytes")]
    if peaks:
        values["peak_memory_mib"] = max(peaks) / 2**20
    inference = attempts[-1].get("inference") if attempts else None
    values |= {f"inference/{name}": inference[name] for name in ("batch", "latency_ms", "plain_latency_ms")} if inference else {}
    joules = [attempt["energy_joules"] for attempt in attempts if attempt.get("energy_joules") is not None]
    if joules and len(joules) == len(attempts):
        values["energy_joules"] = sum(joules)
    return [Point(key, float(value), 0, time_ms) for key, value in values.items() if value is not None]


def _identity_tags(spec: Spec) -> dict[str, str]:
    tags = {RUN_ID: run_id(spec), KIND: spec.kind, "seed": str(spec.seed)}
    if isinstance(spec, RunSpec):
        tags |= {"target": spec.target, "auxiliary": spec.auxiliary or "none", "method": spec.method}
        tags |= {"setting": spec.setting, "tuning": spec.tuning}
        if spec.task is not None and spec.task.recipe in recipes(spec.modality):
            found = departures(spec)
            told = "; ".join((*found.always, *found.joined)) or "nothing"
            tags |= {"recipe": spec.task.recipe, "departures": told[:_TAG_LIMIT]}
        return tags
    return tags | {"target": spec.modality, "method": "pretraining", "source": spec.source}


def _execution_tags(run_dir: Path, attempts: list[dict[str, Any]]) -> dict[str, str]:
    if not attempts:
        device = _optional(run_dir / INPUTS).get("device")
        return {"device": str(device)} if device else {}
    last = attempts[-1]
    tags = {key: str(last[key]) for key in _ORIGIN if last.get(key)}
    if "git_commit" in tags:
        tags["mlflow.source.git.commit"] = tags["git_commit"]
    versions = {f"version.{name}": str(version) for name, version in last.get("versions", {}).items()}
    return tags | versions | {"attempts": str(len(attempts))}


def _state_tags(run_dir: Path, state: RunState) -> dict[str, str]:
    tags: dict[str, str] = {STATUS: state}
    if state == RunState.FAILED:
        failure = _optional(run_dir / FAILURE)
        tags["error"] = str(failure.get("error", ""))[:_ERROR_LIMIT] or "unknown"
        tags["error_kind"] = str(failure.get("kind", "error"))
    return tags


def _sample_tags(run_dir: Path, state: RunState) -> dict[str, str]:
    """Which samples a complete run is of, and what of them was left out, in words."""
    record = read_record(run_dir) if state == RunState.COMPLETE else {}
    tags = {"samples_sha256": str(record["samples_sha256"])} if "samples_sha256" in record else {}
    counts = record.get("samples") or {}
    left = [
        f"{split}: {item['absent']} absent, {item['unreadable']} unreadable of {item['listed']}"
        for split in ("train", "val", "test")
        if (item := counts.get(split)) is not None and item["kept"] < item["listed"]
    ]
    return tags | ({"left_out": "; ".join(left)} if left else {})


def _data(spec: Spec, run_dir: Path) -> list[DataInput]:
    modality = spec.modality if isinstance(spec, PretrainSpec) else spec.target
    source = str(_optional(run_dir / INPUTS).get("data") or f"data/{modality}")
    digest = spec.data_sha256[:36]  # the most that a tracking store holds
    first = "pretrain" if isinstance(spec, PretrainSpec) else "train"
    data = [DataInput(f"{modality}/{first}", digest, source, "train")]
    if isinstance(spec, PretrainSpec) or _has_validation(spec):
        data.append(DataInput(f"{modality}/val", digest, source, "validation"))
    return data if isinstance(spec, PretrainSpec) else [*data, DataInput(f"{modality}/test", digest, source, "test")]


def _has_validation(spec: RunSpec) -> bool:
    """Whether a run has validation data: the small data sets do, a published one as published, or where some is held out."""
    if spec.task is None or spec.task.holdout > 0:
        return True
    facts = dataset_facts(spec.task.dataset, spec.task.variant)
    return facts is not None and facts.val is not None


def _files(run_dir: Path, state: RunState, weights_limit_bytes: int) -> list[Path]:
    if state == RunState.RUNNING:
        return []
    names = [SPEC, HISTORY, RECORD, RECONSTRUCTIONS, *((FAILURE, LOG) if state == RunState.FAILED else ())]
    files = [run_dir / name for name in names if (run_dir / name).is_file()]
    weights = [path for name in (MERGED, ENCODER) if state == RunState.COMPLETE and (path := run_dir / name).is_file()]
    return files + [path for path in weights if path.stat().st_size <= weights_limit_bytes]


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
