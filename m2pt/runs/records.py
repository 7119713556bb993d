"""What a run leaves behind, and reading many of them into one table.

A run's folder holds, for good and equal between identical executions on the same kind of hardware:

- `spec.json`: the run id, `RECIPE_VERSION` and the spec; written first.
- `history.jsonl`: one JSON object per epoch (of a pretraining: per 50 steps). `step` steps are done; `learning_rate` is the
  schedule's rate in the last of them, `scale_learning_rate` that of the scales; `train/loss` is the mean of what was minimised
  (smoothed and mixed labels, weighted side losses), `train/accuracy` that while it trained, `train/skipped_steps` those that fp16
  left out; `val/loss` is the loss on plain labels, `val/<metric>` in percent, both of the weights that count (averaged ones where
  the recipe keeps an average), like every `scale/<layer>` (`/abs_mean`: of several entries) and `effective_size/<layer>`.
- `merged.safetensors` (fine-tuning) or `encoder.safetensors` (pretraining): the weights.
- `record.json`: the scores; written last, by rename. A run is complete when it stands.

and in `local/` what differs from one execution to the next: `inputs.json` (where data and weights lie here), `times.jsonl` (when
each epoch ended), `execution.json` (for each attempt seconds, device, energy, memory, versions, git commit), `attempt.json` (the
one that goes on or was killed), `checkpoint.pt`, `log.txt`, `lock`, and `failure.json` where the last attempt failed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from m2pt.config import UserError
from m2pt.files.documents import read_json, read_lines, write_json
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec

Status = Literal["complete", "failed", "interrupted", "missing"]

SPEC = "spec.json"
HISTORY = "history.jsonl"
RECORD = "record.json"
MERGED = "merged.safetensors"
ENCODER = "encoder.safetensors"
RECONSTRUCTIONS = "reconstructions.png"
INPUTS = "local/inputs.json"
TIMES = "local/times.jsonl"
EXECUTION = "local/execution.json"
FAILURE = "local/failure.json"
CHECKPOINT = "local/checkpoint.pt"
LOG = "local/log.txt"
LOCK = "local/lock"

COLUMNS = (
    "run_id", "target", "auxiliary", "method", "setting", "tuning", "seed", "metric", "val_score", "test_score", "status",
    "scale_abs_mean", "score", "epoch", "effective_size_mean", "parameters", "trainable_parameters",
    *(f"{split}_{kind}" for split in ("train", "val", "test") for kind in ("samples", "absent", "unreadable")), "samples_sha256",
    "merge_max_logit_difference", "data_sha256", "target_weights", "auxiliary_weights", "parts", "error",
)  # fmt: skip
"""The columns of the table of runs, in order; identical executions give identical rows.

`train_samples` are those that a run trained with, `val_samples` and `test_samples` those that it was scored on. `<split>_absent`
are listed samples without a file, `<split>_unreadable` those whose file cannot be read: both were left out. `samples_sha256` is
equal for runs that chose from, and were scored on, the very same samples. All are empty for a run that is not complete.
"""


def create_run(folder: Path, spec: Spec) -> Path:
    """Make a run's folder below `folder` with its `spec.json`, or check the one that stands; returns it.

    Raises:
        UserError: a folder of this id stands there with another spec.

    """
    run_dir = folder / run_id(spec)
    document = {"run_id": run_id(spec), "recipe_version": RECIPE_VERSION, "spec": spec.model_dump(mode="json")}
    path = run_dir / SPEC
    if not path.exists():
        write_json(path, document)
    elif read_json(path) != document:
        raise UserError(f"{path}: holds another run than {document['run_id']}; delete the folder and run again.")
    return run_dir


def read_spec(run_dir: Path) -> Spec:
    """The spec of a run's folder.

    Raises:
        UserError: there is none, or it is not one of this version, or the folder is not named after it.

    """
    document = read_json(run_dir / SPEC)
    try:
        kind = PretrainSpec if document["spec"]["kind"] == "pretrain" else RunSpec
        spec: Spec = kind.model_validate_json(json.dumps(document["spec"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run_dir / SPEC}: is not a run of this version of m2pt; delete the folder and run again.") from error
    if document["run_id"] != run_id(spec) or document["recipe_version"] != RECIPE_VERSION:
        raise UserError(f"{run_dir / SPEC}: its id does not follow from its spec; delete the folder and run again.")
    return spec


def status(run_dir: Path) -> Status:
    """Where a run stands, by what lies in its folder."""
    if (run_dir / RECORD).is_file():
        return "complete"
    if (run_dir / FAILURE).is_file():
        return "failed"
    return "interrupted" if (run_dir / HISTORY).is_file() or (run_dir / CHECKPOINT).is_file() else "missing"


def read_record(run_dir: Path) -> dict[str, Any]:
    """The record of a complete run. Raises `UserError` as `read_json`."""
    record: dict[str, Any] = read_json(run_dir / RECORD)
    return record


def read_history(run_dir: Path) -> list[dict[str, Any]]:
    """The epochs of a run so far, oldest first."""
    return read_lines(run_dir / HISTORY)


def table(specs: Sequence[RunSpec], folder: Path, parts: Mapping[str, Sequence[RunSpec]] | None = None) -> pd.DataFrame:
    """One row per planned run, in the order of `specs`, with the columns `COLUMNS`; scores are percentages.

    A run that is not complete has its status and empty scores; a run whose weights do not exist yet has an empty id. `parts` are
    the runs of each part of the study: the column of this name lists those that a run belongs to, separated by spaces.
    """
    return results(specs, folder, parts)[0]


def results(
    specs: Sequence[RunSpec], folder: Path, parts: Mapping[str, Sequence[RunSpec]] | None = None
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """The `table` of runs, and the records of the complete ones by id; every folder is read once."""
    documents: dict[str, dict[str, Any]] = {}
    names: dict[str, list[str]] = {}
    for name, members in (parts or {}).items():
        for spec in members:
            names.setdefault(spec.model_dump_json(), []).append(name)
    rows = []
    for spec in specs:
        memberships = names.get(spec.model_dump_json(), []) if names else []
        rows.append(_row(spec, folder, documents) | {"parts": " ".join(memberships)})
    return pd.DataFrame(rows, columns=list(COLUMNS)), documents


def by_part(rows: pd.DataFrame) -> pd.DataFrame:
    """The table with one row for each run and part of the study that it belongs to, in the column `part`.

    A table that knows nothing of samples gets an empty column of them.
    """
    rows = rows if "samples_sha256" in rows else rows.assign(samples_sha256=None)
    return rows.assign(part=rows["parts"].astype(str).str.split(" ")).explode("part", ignore_index=True)


def _row(spec: RunSpec, folder: Path, documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row of one run; the record of a complete one is put into `documents`."""
    identifier = run_id(spec) if spec.ready else ""
    row: dict[str, Any] = {
        "run_id": identifier,
        "target": spec.target,
        "auxiliary": spec.auxiliary,
        "method": spec.method,
        "setting": spec.setting,
        "tuning": spec.tuning,
        "seed": spec.seed,
        "metric": spec.metric,
        "status": status(folder / identifier) if identifier else "missing",
        "score": spec.finetune.score,
        "data_sha256": spec.data_sha256,
        "target_weights": spec.target_weights.sha256 if spec.target_weights else None,
        "auxiliary_weights": " ".join(str(ref.sha256) for ref in spec.auxiliary_refs) or None,
    }
    if row["status"] == "complete":
        documents[identifier] = read_record(folder / identifier)
        row |= _scores(documents[identifier])
    elif row["status"] == "failed":
        row["error"] = read_json(folder / identifier / FAILURE)["error"]
    return row


def _scores(record: Mapping[str, Any]) -> dict[str, Any]:
    keys = (
        "metric",
        "val_score",
        "test_score",
        "epoch",
        "scale_abs_mean",
        "effective_size_mean",
        "parameters",
        "trainable_parameters",
    )
    merge = record["merge"] or {}
    row = {key: record[key] for key in keys} | {"merge_max_logit_difference": merge.get("max_logit_difference")}
    return row | _samples(record)


def _samples(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of its samples; nothing for one that was written before they were counted."""
    row: dict[str, Any] = {f"{split}_samples": record.get(f"{split}_samples") for split in ("train", "val", "test")}
    for split, counts in (record.get("samples") or {}).items():
        row |= {f"{split}_{kind}": counts[kind] for kind in ("absent", "unreadable")}
    return row | {"samples_sha256": record.get("samples_sha256")}


def histories(run_dirs: Iterable[Path]) -> pd.DataFrame:
    """The histories of many runs as one long table: `run_id`, `epoch` and one column per metric."""
    return pd.DataFrame([{"run_id": run_dir.name, **line} for run_dir in run_dirs for line in read_history(run_dir)])
