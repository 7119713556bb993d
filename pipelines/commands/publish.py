"""`publish`: bring what the runs left behind into the tracker (MLflow)."""

from argparse import Namespace

from pipelines.planning import study_file
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import report_folder
from pipelines.tracking.study import publish_study, tracker_of


def publish(options: Namespace) -> int:
    """Publish every run of a study that left something behind, unless it is there already."""
    study = study_file.load(options.study)
    plan = resolve(study)
    tracker = tracker_of(plan)
    published = publish_study(plan, report_folder(options.study, study), tracker)
    runs = "1 run is" if published == 1 else f"{published} runs are"
    print(f"{study.study}: {runs} published to {tracker.place}.")
    return 0
