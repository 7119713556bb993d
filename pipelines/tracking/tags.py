"""The tags of a run: which run it is, how it ended, which samples it used, and where it was computed."""

from collections.abc import Sequence
from pathlib import Path

from m2pt.analysis.paper.departures import departures
from m2pt.config import UserError
from m2pt.modalities.registry import SPECS
from m2pt.runs.attempts import Attempt
from m2pt.runs.failure import read_failure
from m2pt.runs.identity import run_id
from m2pt.runs.inputs import known_inputs
from m2pt.runs.record import FinetuneRecord, Record
from m2pt.runs.spec import RunSpec, Spec

RUN_ID, KIND, STATUS = "m2pt.run_id", "m2pt.kind", "m2pt.status"
"""Which run it is, `finetune` or `pretrain`, and its state."""

TRIAL = "m2pt.trial"
"""Only a run of a search's trial or of a tuning has this: no result, but what values were chosen by."""

GIT_COMMIT = "git_commit"
ERROR, ERROR_KIND = "error", "error_kind"
"""Only a failed run has these two."""

_ERROR_LIMIT = 2000
_ORIGIN = ("device", "device_name", GIT_COMMIT, "code_sha256", "cpu_capability", "cuda", "cudnn", "platform")


def identity_tags(spec: Spec) -> dict[str, str]:
    """Which run it is, in the words of the study; of a run with a recipe also how it departs from the recipe's release."""
    tags = {RUN_ID: run_id(spec), KIND: spec.kind, "seed": str(spec.seed)}
    if isinstance(spec, RunSpec) and spec.replicate is not None:
        tags["replicate"] = str(spec.replicate)
    if not isinstance(spec, RunSpec):
        return tags | {"target": spec.modality, "method": "pretraining", "source": spec.source}
    tags |= {"target": spec.target, "auxiliary": spec.auxiliary or "none", "method": spec.method}
    tags |= {"setting": spec.setting, "tuning": spec.tuning}
    if spec.task is not None and spec.task.recipe in SPECS[spec.modality].recipes:
        departs = departures(spec)
        tags |= {"recipe": spec.task.recipe, "departures": "; ".join((*departs.always, *departs.joined)) or "nothing"}
    return tags


def execution_tags(run_dir: Path, attempts: Sequence[Attempt]) -> dict[str, str]:
    """Where and with which versions the last attempt was computed; before the first has ended only the device is known."""
    if not attempts:
        inputs = known_inputs(run_dir)
        return {"device": inputs.device} if inputs else {}
    last = attempts[-1]
    versions = {f"version.{name}": version for name, version in last.versions.items()}
    return {key: str(value) for key in _ORIGIN if (value := getattr(last, key))} | versions | {"attempts": str(len(attempts))}


def lineage_tags(run_dir: Path, record: Record | None) -> dict[str, str]:
    """Whether target and auxiliary go on from a common encoder, where the run has both and says so."""
    if record is None:
        inputs = known_inputs(run_dir)
        known = inputs.lineage if inputs else None
    else:
        known = record.lineage if isinstance(record, FinetuneRecord) else None
    return {"lineage": known} if known else {}


def failure_tags(run_dir: Path) -> dict[str, str]:
    """Why a run failed."""
    try:
        failure = read_failure(run_dir)
    except UserError:  # a new attempt has removed it, or it is damaged
        return {ERROR: "unknown", ERROR_KIND: "error"}
    return {ERROR: failure.error[:_ERROR_LIMIT] or "unknown", ERROR_KIND: failure.kind}


def sample_tags(record: Record | None) -> dict[str, str]:
    """Which samples a complete run used, and how many were left out."""
    if not isinstance(record, FinetuneRecord):
        return {}
    tags = {"samples_sha256": record.samples_sha256} if record.samples_sha256 else {}
    left_out = [
        f"{split}: {counts.absent} absent, {counts.unreadable} unreadable of {counts.listed}"
        for split in ("train", "val", "test")
        if (counts := record.samples.get(split)) is not None and counts.left_out
    ]
    return tags | ({"left_out": "; ".join(left_out)} if left_out else {})
