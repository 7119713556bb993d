"""The folder of a run: the names of its files, its spec, its history, and the state that the files show.

These files are kept, and are equal between identical executions on the same kind of hardware:

- `spec.json`: the run id, `RECIPE_VERSION` and the spec; written first.
- `history.jsonl`: one JSON object per epoch (in pretraining: per 50 steps). `step` is the number of steps done;
  `learning_rate` is the schedule's rate in the last of them, `scale_learning_rate` that of the scales; `train/loss` is the mean
  of what was minimised (smoothed and mixed labels, weighted side losses), `train/added_loss` the mean of what the method
  minimised beside it, `train/accuracy` the accuracy during training, `train/skipped_steps` the steps that fp16
  skipped; `val/loss` is the loss on plain labels and `val/<metric>` a score in percent.
  These two, every `scale/<layer>` (`/abs_mean`: the mean size of several entries) and every `effective_size/<layer>` are of the
  weights that are scored: averaged ones where the recipe keeps an average.
- `merged.safetensors` (fine-tuning) or `encoder.safetensors` (pretraining): the weights.
- `test_samples.npz` (fine-tuning, where the score is a mean over samples): what each test sample scored
  (`m2pt.runs.sample_scores`).
- `reconstructions.png` (masked autoencoding): what the encoder made of some samples.
- `record.json`: the scores, and the SHA-256 of every file above and of itself (`m2pt.runs.record`); written last, by rename.
  A run is complete when this file exists.

`local/` holds what differs from one execution to the next: `inputs.json` (where data and weights are on this machine),
`times.jsonl` (when each epoch ended), `execution.json` (the attempts: seconds, device, energy, memory, versions, git commit),
`attempt.json` (the attempt that is going on or was killed), `checkpoint.pt`, `log.txt`, `failure.json` if the last attempt
failed, and `lease` while a process works on the run (`m2pt.files.leases`).
"""

import json
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.documents import read_json, read_lines, write_json
from m2pt.runs.identity import RECIPE_VERSION, run_id
from m2pt.runs.plugins import PluginCode, require_code
from m2pt.runs.spec import PretrainSpec, RunSpec, Spec

SPEC = "spec.json"
HISTORY = "history.jsonl"
RECORD = "record.json"
MERGED = "merged.safetensors"
ENCODER = "encoder.safetensors"
TEST_SAMPLES = "test_samples.npz"
RECONSTRUCTIONS = "reconstructions.png"
INPUTS = "local/inputs.json"
TIMES = "local/times.jsonl"
EXECUTION = "local/execution.json"
ATTEMPT = "local/attempt.json"
FAILURE = "local/failure.json"
CHECKPOINT = "local/checkpoint.pt"
LOG = "local/log.txt"
LOCK = "local/lease"

KEPT = (SPEC, HISTORY, MERGED, ENCODER, TEST_SAMPLES, RECONSTRUCTIONS)
"""The files that a record speaks of, as far as the run has them."""

WRITTEN = (HISTORY, RECORD, MERGED, ENCODER, TEST_SAMPLES, RECONSTRUCTIONS, TIMES, EXECUTION, ATTEMPT, FAILURE, CHECKPOINT)
"""What only the process that holds a run's lease writes. Of these alone, `failure.json` is also written by its engine."""


class RunState(StrEnum):
    """The state of a run.

    The files of its folder show four of them: `COMPLETE` (it has a record), `FAILED` (its last attempt left a failure),
    `INTERRUPTED` (it began and can continue) and `MISSING` (nothing was done). Two more need other knowledge: `RUNNING` (a job
    is working on it now) and `WAITING` (data or weights that it needs do not exist yet).
    """

    COMPLETE = "complete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSING = "missing"
    RUNNING = "running"
    WAITING = "waiting"


FILE_STATES = (RunState.COMPLETE, RunState.FAILED, RunState.INTERRUPTED, RunState.MISSING)
"""The states that the files of a run can show; the column `status` of a table of runs holds these."""


def anew(run_dir: Path) -> str:
    """What to do where a file of a run is damaged that cannot be made good."""
    return f"delete the folder {run_dir} and run again"


def without_remedy(sentence: str, run_dir: Path) -> str:
    """What is wrong with a file of a run, without what its reader is to do, because that is being done."""
    return sentence.removesuffix(f"; {anew(run_dir)}.")


def create_run(folder: Path, spec: Spec, mended: Callable[[str], None] | None = None) -> Path:
    """Create a run's folder below `folder` with its `spec.json`, or check the one that exists; returns it.

    What an unfinished run has done so far does not depend on this file: with `mended`, which is told of it, a damaged one is
    written again.

    Raises:
        UserError: the folder of this id holds another spec.

    """
    run_dir = folder / run_id(spec)
    document = {"run_id": run_id(spec), "recipe_version": RECIPE_VERSION, "spec": spec.model_dump(mode="json")}
    path = run_dir / SPEC
    try:
        if path.exists() and read_json(path, anew(run_dir)) != document:
            raise UserError(f"{path}: holds another run than {document['run_id']}; {anew(run_dir)}.")
    except UserError as error:
        if mended is None or is_complete(run_dir):
            raise
        path.unlink()
        mended(f"{without_remedy(str(error), run_dir)}: it is written again.")
    if not path.exists():
        write_json(path, document)
    return run_dir


def read_spec(run_dir: Path) -> Spec:
    """The spec of a run's folder.

    Raises:
        UserError: there is none, or it is not one of this version, or the folder is not named after it.

    """
    document = read_json(run_dir / SPEC, anew(run_dir))
    try:
        kind = PretrainSpec if document["spec"]["kind"] == "pretrain" else RunSpec
        spec: Spec = kind.model_validate_json(json.dumps(document["spec"]))
        follows = document["run_id"] == run_id(spec) and document["recipe_version"] == RECIPE_VERSION
        is_here = run_dir.resolve().name == document["run_id"]
    except (KeyError, TypeError, ValueError) as error:
        require_code(_plugins_of(document), str(run_dir / SPEC))  # without which its names are unknown
        raise UserError(f"{run_dir / SPEC}: is not a run of this version of m2pt; {anew(run_dir)}.") from error
    if not follows:
        raise UserError(f"{run_dir / SPEC}: its id does not follow from its spec; {anew(run_dir)}.")
    if not is_here:
        raise UserError(f"{run_dir / SPEC}: is that of {document['run_id']}; {anew(run_dir)}.")
    return spec


def _plugins_of(document: Any) -> list[PluginCode]:
    """The plugins that a spec names, as far as it can be read without them."""
    try:
        return [PluginCode.model_validate(code) for code in document["spec"].get("plugins", ())]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def method_name(run_dir: Path) -> str | None:
    """The name of a run's method, which may no longer exist; None for a pretraining. Raises `UserError` as `read_json`."""
    spec = read_json(run_dir / SPEC, anew(run_dir)).get("spec")
    name = spec.get("method") if isinstance(spec, dict) else None
    return name if isinstance(name, str) else None


def recipe_version(run_dir: Path) -> int:
    """The `RECIPE_VERSION` that a run was made with. Raises `UserError` if its `spec.json` does not say."""
    version = read_json(run_dir / SPEC, anew(run_dir)).get("recipe_version")
    if not isinstance(version, int):
        raise UserError(f"{run_dir / SPEC}: has no recipe_version; {anew(run_dir)}.")
    return version


def read_history(run_dir: str | Path) -> list[dict[str, Any]]:
    """The epochs of a run so far, oldest first; empty before the first has ended."""
    return read_lines(Path(run_dir) / HISTORY)


def is_complete(run_dir: Path) -> bool:
    """Whether a run has its record."""
    return os.path.isfile(f"{run_dir}/{RECORD}")  # noqa: PTH113  # of thousands of runs, several times each


def run_state(run_dir: Path) -> RunState:
    """The state that the files of a run show; an empty or absent folder is `MISSING`."""
    if is_complete(run_dir):
        return RunState.COMPLETE
    if (run_dir / FAILURE).is_file():
        return RunState.FAILED
    started = (run_dir / HISTORY).is_file() or (run_dir / CHECKPOINT).is_file()
    return RunState.INTERRUPTED if started else RunState.MISSING
