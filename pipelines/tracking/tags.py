"""The tags of a run: which run it is, how it ended, which samples it used, and where it was computed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m2pt.analysis.paper.departures import departures
from m2pt.files.documents import read_json
from m2pt.modalities.registry import SPECS
from m2pt.runs.folder import FAILURE, INPUTS
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec, Spec

RUN_ID, KIND, STATUS = "m2pt.run_id", "m2pt.kind", "m2pt.status"
"""Which run it is, `finetune` or `pretrain`, and its state."""

GIT_COMMIT = "git_commit"
ERROR, ERROR_KIND = "error", "error_kind"
"""Only a failed run has these two."""

_ERROR_LIMIT = 2000
_ORIGIN = ("device", "device_name", GIT_COMMIT, "code_sha256", "cpu_capability", "cuda", "cudnn", "platform")


def identity_tags(spec: Spec) -> dict[str, str]:
    """Which run it is, in the words of the study; of a run with a recipe also how it departs from the recipe's release."""
    tags = {RUN_ID: run_id(spec), KIND: spec.kind, "seed": str(spec.seed)}
    if not isinstance(spec, RunSpec):
        return tags | {"target": spec.modality, "method": "pretraining", "source": spec.source}
    tags |= {"target": spec.target, "auxiliary": spec.auxiliary or "none", "method": spec.method}
    tags |= {"setting": spec.setting, "tuning": spec.tuning}
    if spec.task is not None and spec.task.recipe in SPECS[spec.modality].recipes:
        departs = departures(spec)
        tags |= {"recipe": spec.task.recipe, "departures": "; ".join((*departs.always, *departs.joined)) or "nothing"}
    return tags


def execution_tags(run_dir: Path, attempts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Where and with which versions the last attempt was computed; before the first has ended only the device is known."""
    if not attempts:
        inputs = run_dir / INPUTS
        device = read_json(inputs).get("device") if inputs.is_file() else None
        return {"device": str(device)} if device else {}
    last = attempts[-1]
    versions = {f"version.{name}": str(version) for name, version in last.get("versions", {}).items()}
    return {key: str(last[key]) for key in _ORIGIN if last.get(key)} | versions | {"attempts": str(len(attempts))}


def failure_tags(run_dir: Path) -> dict[str, str]:
    """Why a run failed."""
    path = run_dir / FAILURE
    failure = read_json(path) if path.is_file() else {}  # a new attempt has taken it away
    return {
        ERROR: str(failure.get("error", ""))[:_ERROR_LIMIT] or "unknown",
        ERROR_KIND: str(failure.get("kind", "error")),
    }


def sample_tags(record: Mapping[str, Any]) -> dict[str, str]:
    """Which samples a complete run used, and how many were left out."""
    tags = {"samples_sha256": str(record["samples_sha256"])} if "samples_sha256" in record else {}
    counts = record.get("samples") or {}
    left_out = [
        f"{split}: {item['absent']} absent, {item['unreadable']} unreadable of {item['listed']}"
        for split in ("train", "val", "test")
        if (item := counts.get(split)) is not None and item["kept"] < item["listed"]
    ]
    return tags | ({"left_out": "; ".join(left_out)} if left_out else {})
