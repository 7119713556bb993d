"""Publishing to MLflow, and everything that its own client shows of a study."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient

from m2pt.runs.folder import RunState
from m2pt.runs.identity import run_id
from m2pt.runs.spec import Spec
from pipelines.tracking.mlflow_store import tracking_uri
from pipelines.tracking.mlflow_tracker import MlflowTracker
from pipelines.tracking.publisher import WEIGHTS_LIMIT_BYTES, Publisher
from pipelines.tracking.sweep import Sweep
from pipelines.tracking.tracker import SweepEnd

STUDY, SWEEP = "embedded", "5eed5eed"


def new_publisher(sweep: str = SWEEP, weights_limit_bytes: int = WEIGHTS_LIMIT_BYTES) -> Publisher:
    return Publisher(MlflowTracker(Sweep(STUDY, sweep, f"sweep {sweep}")), weights_limit_bytes)


def outcome(complete: int, failed: int) -> SweepEnd:
    values = {"9_runs/complete": float(complete), "9_runs/failed": float(failed), "4_result/mean_test_accuracy/pathway": 61.5}
    return SweepEnd(RunState.FAILED if failed else RunState.COMPLETE, values)


def publish(runs: list[tuple[Spec, Path]]) -> None:
    with new_publisher() as publisher:
        for spec, run_dir in runs:
            publisher.publish(spec, run_dir)


def new_client() -> MlflowClient:
    return MlflowClient(tracking_uri())


def runs_of_study(client: MlflowClient, query: str = "") -> list[Any]:
    experiment = client.get_experiment_by_name(STUDY)
    return list(client.search_runs([experiment.experiment_id], query, max_results=1000)) if experiment else []


def run_of(client: MlflowClient, spec: Spec) -> Any:
    (run,) = runs_of_study(client, f"tags.`m2pt.run_id` = '{run_id(spec)}'")
    return run


def artifacts_of(run: Any) -> Path:
    """Where the files of a run lie, by the address that MLflow has of them."""
    return Path(unquote(urlsplit(run.info.artifact_uri).path))


def view_of_study() -> dict[str, Any]:
    """All that a person can see of a study, read with MLflow's own client; MLflow's own ids and clock are left out."""
    client = new_client()
    runs = runs_of_study(client)
    names = {run.info.run_id: run.data.tags.get("m2pt.run_id", run.info.run_name) for run in runs}
    view: dict[str, Any] = {}
    for run in runs:
        name = names[run.info.run_id]
        assert name not in view, f"{name} stands twice"
        tags = dict(run.data.tags)
        parent = tags.pop("mlflow.parentRunId", None)
        files = {item.path for item in client.list_artifacts(run.info.run_id)}
        folder = artifacts_of(run)
        view[name] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "parent": names[parent] if parent else None,
            "params": run.data.params,
            "tags": tags,
            "metrics": {
                key: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, key))
                for key in run.data.metrics
            },
            "data": sorted((item.dataset.name, item.dataset.digest, item.tags[0].value) for item in run.inputs.dataset_inputs),
            "files": {path: (folder / path).read_bytes() for path in files if (folder / path).is_file()},
        }
    return view


def delete_database(root: Path) -> None:
    (root / "mlflow.db").unlink()
