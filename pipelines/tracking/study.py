"""Publishing a study as it is: every run that left something behind, the outcome of the sweep, and the report."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

from m2pt.config import UserError
from m2pt.runs.attempts import read_attempts
from m2pt.runs.folder import RunState, without_remedy
from m2pt.runs.spec import RunSpec
from m2pt.runs.trials import trial_seeds
from pipelines.planning.damaged import doubt
from pipelines.planning.folders import runs_folder, study_lock
from pipelines.planning.plan import Plan
from pipelines.reporting.rendering import is_current, shown_files
from pipelines.tracking.owed import is_owed, note_published
from pipelines.tracking.publisher import Publisher, RunOnDisk
from pipelines.tracking.sweep import sweep_of
from pipelines.tracking.tracker import SweepEnd, Tracker
from pipelines.tracking.trackers import chosen_tracker


def tracker_of(plan: Plan) -> Tracker:
    """The tracker for the sweep of a study. Raises `UserError` if the chosen tracker does not exist."""
    return chosen_tracker()(sweep_of(plan.study, last_run(plan)))


def last_run(plan: Plan) -> datetime | None:
    """When the last run of a study started; None while no times of its runs are known."""
    folders = filter(None, map(plan.run_dir, plan.specs))
    started = [datetime.fromisoformat(attempt.started) for folder in folders for attempt in read_attempts(folder)]
    return max(started, default=None)


def publish_study(plan: Plan, report: Path, tracker: Tracker) -> int:
    """Publish a study as it is; a second time changes nothing. Returns how many runs are published.

    It holds the study's lock: a study that is running publishes itself, and each of the two would overwrite the other's outcome.

    Raises:
        UserError: the study is running, the tracker cannot be used, or a run's folder is damaged.

    """
    apart = trial_seeds(plan.study)
    runs = [
        RunOnDisk(spec, run_dir, plan.state(spec) == RunState.RUNNING, isinstance(spec, RunSpec) and spec.seed in apart)
        for spec in plan.specs
        if (run_dir := plan.run_dir(spec)) is not None
    ]
    with study_lock(runs_folder(plan.study)), Publisher(tracker) as publisher:
        damage = publisher.publish_all(runs)
        publisher.close(_outcome(plan, report))
    note_published(plan.study, report)
    if damage:
        doubt(plan.study, damage)
        (run_dir, sentence), *others = damage.items()
        more = f" So are {len(others)} others." if others else ""
        said = f"{without_remedy(sentence, run_dir)}, and the next start does the run again."
        raise UserError(f"{said}{more} All other runs are published.")
    return sum(run.run_dir.is_dir() for run in runs)


def _outcome(plan: Plan, report: Path) -> SweepEnd:
    """How many runs are complete and failed, each method's mean scores by metric, and a complete report with its answer."""
    from m2pt.runs.table import read_table  # the tables and what reads reports take a second, which no run shall wait for
    from pipelines.tracking import headline, metrics

    counts = plan.counts()
    runs = read_table(plan.compared, runs_folder(plan.study))
    values: dict[str, float] = {}
    for score, shown in (("val_score", metrics.mean_validation), ("test_score", metrics.mean_test)):
        for key, mean in runs.dropna(subset=[score]).groupby(["metric", "method"])[score].mean().items():
            metric, method = cast(tuple[str, str], key)
            values[shown(metric, method)] = float(mean)
    values |= {metrics.state(name): float(counts[name]) for name in (RunState.COMPLETE, RunState.FAILED)}
    state = RunState.FAILED if counts[RunState.FAILED] else RunState.COMPLETE
    if not is_current(report, plan):  # its numbers are those of other runs
        return SweepEnd(state, values, shown_files(report))
    return SweepEnd(state, values | headline.numbers(report), shown_files(report), headline.sentences(report))


def try_to_publish(plan: Plan, report: Path, warn: Callable[[str], None]) -> None:
    """As `publish_study`, but a fault is only reported: no study fails because of its tracker."""
    try:
        publish_study(plan, report, tracker_of(plan))
    except UserError as error:
        warn(f"{error} The next start, or `m2pt publish`, publishes the study later.")


def publish_owed(plan: Plan, report: Path, warn: Callable[[str], None]) -> None:
    """Publish a study that is done, if its tracker lacks something of it: it was out of reach, or a kill came before."""
    if is_owed(plan.study, report):
        warn(f"{plan.study.study}: publishing what the tracker may lack.")
        try_to_publish(plan, report, warn)
