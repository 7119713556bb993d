"""The records of many runs in one table."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from m2pt.config import RETIRED_METHODS, UserError
from m2pt.runs.damage import failure_of, read_whole, whole_history
from m2pt.runs.folder import SPEC, RunState, is_complete, method_name, read_spec, recipe_version, run_state
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.lineage import Encoders, lineage
from m2pt.runs.record import FinetuneRecord, read_record
from m2pt.runs.spec import RunSpec

COLUMNS = (
    "run_id", "target", "auxiliary", "method", "setting", "tuning", "seed", "replicate", "metric", "val_score", "test_score",
    "status", "scale_abs_mean", "score", "epoch", "effective_size_mean", "parameters", "trainable_parameters",
    *(f"{split}_{kind}" for split in ("train", "val", "test") for kind in ("samples", "absent", "unreadable")), "samples_sha256",
    "merge_max_logit_difference", "data_sha256", "target_weights", "auxiliary_weights", "lineage", "parts", "error",
)  # fmt: skip
"""The columns of the table of runs, in order; identical executions give identical rows.

`replicate` counts the pretraining seeds of the study's encoders; it is empty where they have one each. `lineage` says whether
target and auxiliary go on from a common encoder (`m2pt.runs.lineage`); it is empty for a run that loads no auxiliary.

`train_samples` are those that a run trained with, `val_samples` and `test_samples` those that it was scored on. `<split>_absent`
are listed samples without a file, `<split>_unreadable` those whose file cannot be read: both were left out. `samples_sha256` is
equal for runs that chose from, and were scored on, the very same samples. All are empty for a run that is not complete.
"""


_OF_RECORD = (
    "metric", "val_score", "test_score", "epoch", "scale_abs_mean", "effective_size_mean", "parameters", "trainable_parameters",
    "train_samples", "val_samples", "test_samples", "samples_sha256", "lineage",
)  # fmt: skip
"""The columns that a record has as they are."""


def read_table(specs: Sequence[RunSpec], folder: Path, parts: Mapping[str, Sequence[RunSpec]] | None = None) -> pd.DataFrame:
    """One row per planned run, in the order of `specs`, with the columns `COLUMNS`; scores are percentages.

    A run that is not complete has its status and empty scores; a run whose weights do not exist yet has an empty id. A complete
    run with a damaged file (`m2pt.runs.damage`) has failed. `parts` are the runs of each part of the study: the column of this
    name lists those that a run belongs to, separated by spaces.
    """
    return read_results(specs, folder, parts)[0]


def read_results(
    specs: Sequence[RunSpec],
    folder: Path,
    parts: Mapping[str, Sequence[RunSpec]] | None = None,
    encoders: Encoders | None = None,
) -> tuple[pd.DataFrame, dict[str, FinetuneRecord]]:
    """The `table` of runs, and the records of the complete ones by id; every folder is read once.

    With the `encoders` of the study, the lineage of runs that are not complete is known too.
    """
    records: dict[str, FinetuneRecord] = {}
    names: dict[str, list[str]] = {}
    for name, members in (parts or {}).items():
        for spec in members:
            names.setdefault(spec.model_dump_json(), []).append(name)
    rows = []
    for spec in specs:
        memberships = names.get(spec.model_dump_json(), []) if names else []
        rows.append(_row(spec, folder, records) | {"parts": " ".join(memberships)})
        if encoders is not None:
            rows[-1]["lineage"] = lineage(encoders, spec)
    return pd.DataFrame(rows, columns=list(COLUMNS)), records


def read_runs(folder: str | Path) -> pd.DataFrame:
    """The fine-tuning runs in the folder of a study, such as `runs/embedded`: one row per run, in the order of their ids.

    The columns are `COLUMNS`; scores are percentages. These are all runs that were started there, including those of settings
    that the study file no longer has, and those of trials, which are judged by their validation scores alone. Runs of another
    `RECIPE_VERSION` are left out, whose scores do not compare, and those of methods that no longer exist. The lineage is what
    the records say: nothing for runs of older code.

    Raises:
        UserError: the folder holds no such run, or a file of a run is damaged.

    """
    run_dirs = [path.parent for path in sorted(Path(folder).glob(f"*/{SPEC}"))]
    current = [run_dir for run_dir in run_dirs if recipe_version(run_dir) == RECIPE_VERSION]
    specs = [read_spec(run_dir) for run_dir in current if method_name(run_dir) not in RETIRED_METHODS]
    runs = [spec for spec in specs if isinstance(spec, RunSpec)]
    if not runs:
        raise UserError(f"{folder}: has no run of this recipe version; name the folder of a study's runs, such as runs/embedded.")
    return read_table(runs, Path(folder))


def _row(spec: RunSpec, folder: Path, records: dict[str, FinetuneRecord]) -> dict[str, Any]:
    """The row of one run; the record of a complete one is put into `records`."""
    identifier = run_id(spec) if spec.ready else ""
    row: dict[str, Any] = {
        "run_id": identifier,
        "target": spec.target,
        "auxiliary": spec.auxiliary,
        "method": spec.method,
        "setting": spec.setting,
        "tuning": spec.tuning,
        "seed": spec.seed,
        "replicate": spec.replicate,
        "metric": spec.metric,
        "status": (run_state(folder / identifier) if identifier else RunState.MISSING).value,
        "score": spec.finetune.score,
        "data_sha256": spec.data_sha256,
        "target_weights": spec.target_weights.sha256 if spec.target_weights else None,
        "auxiliary_weights": " ".join(str(ref.sha256) for ref in spec.auxiliary_refs) or None,
    }
    if row["status"] == RunState.COMPLETE:
        try:
            records[identifier] = read_whole(folder / identifier, FinetuneRecord)
            row |= _scores(records[identifier])
        except UserError as error:  # a number that nobody vouches for is none, and holds up no other
            row |= {"status": RunState.FAILED.value, "error": str(error)}
    elif row["status"] == RunState.FAILED:
        row["error"] = failure_of(folder / identifier)
    return row


def _scores(record: FinetuneRecord) -> dict[str, Any]:
    row = {key: getattr(record, key) for key in _OF_RECORD}
    row["merge_max_logit_difference"] = record.merge.max_logit_difference if record.merge else None
    for split, counts in record.samples.items():
        row |= {f"{split}_absent": counts.absent, f"{split}_unreadable": counts.unreadable}
    return row


def read_histories(run_dirs: Iterable[str | Path]) -> pd.DataFrame:
    """The histories of many runs as one long table: `run_id`, `epoch` and one column per metric.

    Raises:
        UserError: a history is damaged, or is not the one that the record of its complete run speaks of.

    """
    folders = [Path(run_dir) for run_dir in run_dirs]
    of_runs = [whole_history(run_dir, read_record(run_dir) if is_complete(run_dir) else None) for run_dir in folders]
    lines = pd.DataFrame([line for epochs in of_runs for line in epochs])
    if lines.empty:
        return pd.DataFrame({"run_id": pd.Series(dtype="str"), "epoch": pd.Series(dtype="int64")})
    lines.insert(0, "run_id", np.repeat([run_dir.name for run_dir in folders], [len(epochs) for epochs in of_runs]))
    return lines
