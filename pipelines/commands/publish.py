"""`publish`: bring what the runs left behind into MLflow."""

from argparse import Namespace

from pipelines import settings
from pipelines.plan import resolve
from pipelines.publishing import publish_study
from pipelines.rendering import report_folder


def publish(options: Namespace) -> int:
    """Publish every run of a study that left something behind; what is there already is left as it is."""
    study = settings.load(options.study)
    published = publish_study(resolve(study), report_folder(options.study, study))
    from pipelines.tracking import tracking_uri

    print(f"{study.study}: {published} runs are published to {tracking_uri()}.")
    return 0
