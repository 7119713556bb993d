"""Records and attempts of runs, with everything that a test does not care about filled in."""

import json
from typing import Any

from m2pt.runs.attempts import Attempt
from m2pt.runs.record import FinetuneRecord


def finetune_document(run_id: str, **changes: Any) -> dict[str, Any]:
    """The record of a baseline of two classes, as it is written; `changes` are other values of its keys."""
    document = {
        "run_id": run_id, "kind": "finetune", "metric": "accuracy", "score": "last", "epoch": 3, "val_score": 60.0,
        "test_score": 61.5, "test_scores": {"accuracy": 61.5}, "train_samples": 500, "val_samples": 500, "test_samples": 1000,
        "samples": {}, "samples_sha256": None, "loaded": [], "skipped": [], "classes": ["a", "b"], "confusion": None,
        "scales": {}, "effective_sizes": {}, "scale_abs_max": None, "scale_abs_mean": None,
        "effective_size_mean": None, "parameters": 10,
        "trainable_parameters": 20, "merge": None, "files": {},
    }  # fmt: skip
    assert changes.keys() <= document.keys()
    return document | changes


def unsealed(document: dict[str, Any]) -> dict[str, Any]:
    """A record as older code wrote it: it speaks of the weights alone, and has no seal."""
    weights = {name: sha256 for name, sha256 in document["files"].items() if name.endswith(".safetensors")}
    return {key: value for key, value in document.items() if key != "seal"} | {"files": weights}


def pretrain_document(run_id: str, **changes: Any) -> dict[str, Any]:
    """The record of an encoder, as it is written; `changes` are other values of its keys."""
    document = {"run_id": run_id, "kind": "pretrain", "metric": "accuracy", "val_score": 60.0, "parameters": 10, "files": {}}
    assert changes.keys() <= document.keys()
    return document | changes


def finetune_record(run_id: str = "run", **changes: Any) -> FinetuneRecord:
    """The same as it is read."""
    return FinetuneRecord.model_validate_json(json.dumps(finetune_document(run_id, **changes)))


def attempt(**facts: Any) -> Attempt:
    """An attempt of which these facts are recorded."""
    return Attempt.model_validate_json(json.dumps({"started": "2026-11-21T11:00:00+00:00"} | facts))
