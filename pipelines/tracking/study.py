"""Bringing a whole study into MLflow: every run that left something behind, the outcome of the sweep, and the report."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from m2pt.config import UserError
from m2pt.runs.folder import RunState
from m2pt.runs.table import read_table
from pipelines.planning.folders import runs_folder, study_lock
from pipelines.planning.plan import Plan, sweep_id
from pipelines.reporting.rendering import FILES, is_whole


def publish_study(plan: Plan, report: Path) -> int:
    """Publish a study as it stands; twice is as good as once. Returns how many runs are published.

    It holds the study's lock: a study that is running publishes itself, and two would take one sweep's summary from each other.

    Raises:
        UserError: the study is running, the store cannot be used, or a run's folder is damaged.

    """
    from pipelines.tracking.mlflow_tracker import Publisher

    published = 0
    with study_lock(runs_folder(plan.study)), Publisher(plan.study.study, sweep_id(plan.study)) as publisher:
        for spec in plan.specs:
            run_dir = plan.run_dir(spec)
            if run_dir is not None and run_dir.is_dir():
                publisher.publish(spec, run_dir, active=plan.state(spec) == RunState.RUNNING)
                published += 1
        runs = read_table(plan.compared, runs_folder(plan.study))
        means = runs.dropna(subset=["test_score"]).groupby(["metric", "method"])["test_score"].mean()
        counts = plan.counts()
        scores = {"/".join(cast(tuple[str, str], key)): float(mean) for key, mean in means.items()}
        publisher.summarise(counts[RunState.COMPLETE], counts[RunState.FAILED], scores)
        if is_whole(report):
            publisher.publish_report([*(report / name for name in FILES), *sorted((report / "figures").glob("*.png"))])
    return published


def try_to_publish(plan: Plan, report: Path, warn: Callable[[str], None]) -> None:
    """As `publish_study`, but an outage of tracking is only told: a study does not fail for it."""
    try:
        publish_study(plan, report)
    except UserError as error:
        warn(f"{error} `m2pt publish` publishes the study later.")
