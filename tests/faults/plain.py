"""`m2pt study` without Prefect, and with its jobs in its own process: the same session, folders, leases, report and tracking.

python -m tests.faults.plain --study FILE [--only-runs]
"""

import sys
from functools import partial
from pathlib import Path

from m2pt import job
from m2pt.config import Study, UserError
from m2pt.runs.environment import Compared
from m2pt.runs.inputs import JobInputs, write_inputs
from pipelines.execution.engine import JobResult, result_of
from pipelines.execution.process_environment import prepare
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning import study_file
from pipelines.planning.environments import on_device
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, resolve
from pipelines.reporting.rendering import render_report, report_folder
from pipelines.tracking.study import try_to_publish


class Here:
    """An engine that does jobs in this process."""

    capacity = 1

    def environment(self) -> Compared:
        return on_device("cpu")

    def warm(self, jobs: int) -> None: ...

    def run(self, run_dir: Path, inputs: JobInputs, time_limit_s: float) -> JobResult:
        write_inputs(run_dir, inputs.model_copy(update={"device": "cpu", "slot": "cpu0"}))
        return result_of(run_dir, job.run(run_dir), "cpu0", 0.0)

    def close(self) -> None: ...


def make_here(_: Study) -> Here:
    return Here()


def main(file: Path, only_runs: bool) -> int:
    """Do the study, or its runs alone; returns 1 if one is not complete."""
    prepare()
    study = study_file.load(file)
    display = Display()
    with Session(study, display, make_here) as session:
        session.prepare(PRETRAINING, FINE_TUNING)
        session.make_data()
        for kind in (PRETRAINING, FINE_TUNING):
            plan = session.look_again()
            for spec in plan.unfinished(plan.pretrain if kind == PRETRAINING else plan.runs):
                session.do(spec)
            session.tidy()
        outcomes = [session.outcome(PRETRAINING), session.outcome(FINE_TUNING)]
        session.end_tracking()
        if not only_runs:
            render_report(session.look_again(), report_folder(file, study))
    if not only_runs:
        try_to_publish(resolve(study), report_folder(file, study), partial(print, file=sys.stderr))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    try:
        code = main(Path(sys.argv[2]), "--only-runs" in sys.argv)
    except UserError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code)
