"""`publish`: bring what the runs left behind into the tracker (MLflow)."""

from argparse import Namespace

from m2pt.config import UserError
from pipelines.planning import study_file
from pipelines.planning.plan import Plan, resolve
from pipelines.reporting.rendering import report_folder
from pipelines.tracking.best import best_of
from pipelines.tracking.study import publish_study, tracker_of
from pipelines.tracking.trackers import DEFAULT, VARIABLE, chosen_name


def publish(options: Namespace) -> int:
    """Publish every run of a study that left something behind, unless it is there already; register the best if that is asked."""
    if options.register and chosen_name() != DEFAULT:
        raise UserError(f"--register: the registry is MLflow's, and {VARIABLE} chooses another tracker; leave one of them out.")
    study = study_file.load(options.study)
    plan = resolve(study)
    tracker = tracker_of(plan)
    published = publish_study(plan, report_folder(options.study, study), tracker)
    runs = "1 run is" if published == 1 else f"{published} runs are"
    print(f"{study.study}: {runs} published to {tracker.place}.")
    if options.register:
        _register(plan)
    return 0


def _register(plan: Plan) -> None:
    from pipelines.tracking.mlflow_registry import register  # takes seconds

    chosen, without = best_of(plan)
    for sentence in register(plan.study.study, chosen):
        print(sentence)
    for target in without:
        print(f"{plan.study.study}.{target}: has no complete run with a validation score whose model MLflow keeps.")
