"""`publish`: bring what the runs left behind into MLflow."""

from argparse import Namespace

from pipelines.planning import study_file
from pipelines.planning.plan import resolve
from pipelines.reporting.rendering import report_folder
from pipelines.tracking.study import publish_study


def publish(options: Namespace) -> int:
    """Publish every run of a study that left something behind; what is there already is left as it is."""
    study = study_file.load(options.study)
    published = publish_study(resolve(study), report_folder(options.study, study))
    from pipelines.tracking.mlflow_tracker import tracking_uri

    print(f"{study.study}: {published} runs are published to {tracking_uri()}.")
    return 0
