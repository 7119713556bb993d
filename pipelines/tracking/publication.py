"""What a tracker shows of a run: plain parameters, metric points, tags, data sets and files, whichever tracker it is.

All of it follows from the files of the run alone, so that a tracker that lost everything is filled with the same again.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeGuard

from m2pt.config import UserError
from m2pt.files.state import file_sha256
from m2pt.methods import unread
from m2pt.modalities.registry import dataset_facts
from m2pt.runs.attempts import read_attempts
from m2pt.runs.damage import require_kept, whole_history
from m2pt.runs.folder import (
    ENCODER,
    FAILURE,
    HISTORY,
    LOG,
    MERGED,
    RECONSTRUCTIONS,
    RECORD,
    SPEC,
    TEST_SAMPLES,
    RunState,
    run_state,
)
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.inputs import known_inputs
from m2pt.runs.record import read_record
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec
from m2pt.runs.unread import is_unread
from pipelines.planning.plan import is_being_done
from pipelines.tracking import metrics, tags
from pipelines.tracking import served_model as served
from pipelines.tracking.flat import flat
from pipelines.tracking.metrics import NO_TIME_MS, Point
from pipelines.tracking.served_model import ServedModel


@dataclass(frozen=True)
class DataInput:
    """One split of a data set that a run reads; `digest` identifies the content of the complete data set."""

    name: str
    digest: str
    source: str
    context: Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Publication:
    """All that a tracker shows of one run.

    `epochs` maps each finished epoch to its points, in order; `summary` are the points of a complete run, `told` its scores in
    words. `resumed` says that an attempt went on from a checkpoint. The times are in milliseconds since 1970, None where they are
    not known. Without `is_dated` the folder does not say when the run was done: it is a copy by DVC or from an archive, which
    leaves out what varies between executions.
    """

    run_id: str
    name: str
    state: RunState
    signature: str
    params: dict[str, str]
    tags: dict[str, str]
    epochs: dict[int, list[Point]]
    summary: list[Point]
    told: str
    data: list[DataInput]
    files: list[Path]
    model: ServedModel | None
    resumed: bool
    started_ms: int | None
    ended_ms: int | None
    is_dated: bool


def state_of(run_dir: Path, active: bool = False) -> RunState:
    """The state of a run; `active` says that a job is at work on it, which the lock of the job shows too."""
    state = run_state(run_dir)
    at_work = active or (state == RunState.INTERRUPTED and is_being_done(run_dir))
    return RunState.RUNNING if at_work and state != RunState.COMPLETE else state


def signature(run_dir: Path, state: RunState) -> str:
    """Equal as long as a run has nothing new to publish: its state and a digest of the files that it keeps.

    The code that makes a publication counts too: after a change of it, all runs are published again.
    """
    digest = hashlib.sha256(_form())
    for name in (SPEC, HISTORY, RECORD, *((FAILURE,) if state == RunState.FAILED else ())):
        path = run_dir / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return f"{state}:{digest.hexdigest()[:16]}"


@functools.cache  # of the code that this process has loaded
def _form() -> bytes:
    return b"".join(
        bytes.fromhex(file_sha256(Path(file))) for file in (__file__, metrics.__file__, served.__file__, tags.__file__)
    )


def read_publication(
    spec: Spec, run_dir: Path, *, active: bool = False, trial: bool = False, weights_limit_bytes: int = 0
) -> Publication:
    """What is to be published of a run now; weights above `weights_limit_bytes` stay in the run's own folder.

    A `trial` of a search or a tuning is judged by its validation score: it is marked as one, without its test score
    and the files that hold it.

    An epoch of an active run counts only when its time is on record, so that no point has to be moved later.

    Raises:
        UserError: a file of the run is damaged.

    """
    try:
        return _read(spec, run_dir, state_of(run_dir, active), trial, weights_limit_bytes)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{run_dir}: its history or record is damaged ({what}); delete the folder and run again.") from error


def _read(spec: Spec, run_dir: Path, state: RunState, trial: bool, weights_limit_bytes: int) -> Publication:
    mark = signature(run_dir, state)  # before anything else is read: what is added meanwhile is published the next time
    model = served.served_model(spec, run_dir, weights_limit_bytes) if _is_result(spec, state, trial) else None
    times = metrics.read_times(run_dir)
    is_dated = bool(times)
    record = read_record(run_dir) if state == RunState.COMPLETE else None
    epochs = metrics.epoch_points(whole_history(run_dir, record), times, state == RunState.RUNNING)
    files = _files(run_dir, state, trial, weights_limit_bytes)
    if record is not None:
        require_kept(record, files)
    attempts = read_attempts(run_dir)
    started = [round(datetime.fromisoformat(attempt.started).timestamp() * 1000) for attempt in attempts]
    seconds = attempts[-1].seconds.get("total", 0.0) if attempts else 0.0
    last_ms = times.get(max(epochs, default=0), NO_TIME_MS)
    return Publication(
        run_id=run_id(spec),
        name=spec.name,
        state=state,
        signature=mark,
        params=parameters(spec),
        tags=tags.identity_tags(spec)
        | tags.execution_tags(run_dir, attempts)
        | {tags.STATUS: state}
        | ({tags.TRIAL: "true"} if trial else {})
        | (tags.failure_tags(run_dir) if state == RunState.FAILED else {})
        | tags.sample_tags(record)
        | tags.lineage_tags(run_dir, record),
        epochs=epochs,
        summary=metrics.summary_points(record, attempts, last_ms, trial) if record is not None else [],
        told=metrics.told(record, trial) if record is not None else "",
        data=_data(spec, run_dir),
        files=[path for path in files if model is None or path not in model.files],
        model=model,
        resumed=any(attempt.resumed_from_epoch for attempt in attempts),
        started_ms=started[0] if started else (None if state == RunState.RUNNING else min(times.values(), default=NO_TIME_MS)),
        ended_ms=started[-1] + round(seconds * 1000) if started else last_ms,
        is_dated=is_dated or bool(attempts),
    )


def _is_result(spec: Spec, state: RunState, trial: bool) -> TypeGuard[RunSpec]:
    """Whether a run is a complete fine-tuning run that the study compares."""
    return isinstance(spec, RunSpec) and state == RunState.COMPLETE and not trial


def parameters(spec: Spec) -> dict[str, str]:
    """The settings of a run as flat names and texts: `finetune.learning_rate`, `pathway.layers` as a comma list.

    What the run does not read (`m2pt.runs.unread`) is not one of its settings.
    """
    reasons = unread(spec)
    settings = {key: text for key, text in flat(spec.model_dump(mode="json")).items() if is_unread(key, reasons) is None}
    settings["recipe_version"] = str(RECIPE_VERSION)
    if isinstance(spec, RunSpec) and spec.tuning == "fix" and spec.pathway is not None:
        settings["pathway.auxiliary_trainable"] = "false"  # whatever the section says, only scales and head are trained
    return settings


def _data(spec: Spec, run_dir: Path) -> list[DataInput]:
    modality = spec.modality if isinstance(spec, PretrainSpec) else spec.target
    inputs = known_inputs(run_dir)
    source = inputs.data if inputs else f"data/{modality}"
    first = "pretrain" if isinstance(spec, PretrainSpec) else "train"
    data = [DataInput(f"{modality}/{first}", spec.data_sha256, source, "train")]
    if isinstance(spec, PretrainSpec) or _has_validation(spec):
        data.append(DataInput(f"{modality}/val", spec.data_sha256, source, "validation"))
    if isinstance(spec, RunSpec):
        data.append(DataInput(f"{modality}/test", spec.data_sha256, source, "test"))
    return data


def _has_validation(spec: RunSpec) -> bool:
    """Whether a run has validation data: the small data sets have; others if they are split so, or hold some out."""
    if spec.task is None or spec.task.holdout > 0:
        return True
    if (files := spec.task.files) is not None:
        return files.val > 0 or files.split is not None
    facts = dataset_facts(spec.task.dataset, spec.task.variant)
    return facts is not None and facts.val is not None


_OF_TEST = (RECORD, TEST_SAMPLES)
"""The files with what a run scored on test data."""


def _files(run_dir: Path, state: RunState, trial: bool, weights_limit_bytes: int) -> list[Path]:
    if state == RunState.RUNNING:
        return []
    results = () if trial else _OF_TEST
    names = [SPEC, HISTORY, *results, RECONSTRUCTIONS, *((FAILURE, LOG) if state == RunState.FAILED else ())]
    files = [run_dir / name for name in names if (run_dir / name).is_file()]
    weights = [path for name in (MERGED, ENCODER) if state == RunState.COMPLETE and (path := run_dir / name).is_file()]
    return files + [path for path in weights if path.stat().st_size <= weights_limit_bytes]
