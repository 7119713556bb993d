"""`publish`: bring what the runs left behind into MLflow."""

from argparse import Namespace

from m2pt.study_file import load_study
from pipelines.plan import resolve, sweep_id


def publish(options: Namespace) -> int:
    """Publish every run of a study that left something behind; what is there already is left as it is."""
    study = load_study(options.study)
    plan = resolve(study)
    from pipelines.tracking import Publisher, tracking_uri

    published = 0
    with Publisher(study.study, sweep_id(study)) as publisher:
        for spec in plan.specs:
            run_dir = plan.run_dir(spec)
            if run_dir is not None and run_dir.is_dir():
                publisher.publish(spec, run_dir, active=plan.state(spec) == "running")
                published += 1
    print(f"{study.study}: {published} runs are published to {tracking_uri()}.")
    return 0
