"""The default study through DVC: `dvc repro`, whose stages call the other commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState
from pipelines.execution.groups import end_group
from pipelines.execution.process_environment import LOGS, WATCHED
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.folders import study_lock
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, resolve
from pipelines.reporting.rendering import is_current, render_report
from pipelines.scheduling import server

PIPELINE = Path("dvc.yaml")


def reproduce(study: Study, file: Path, out: Path) -> int:
    """Bring the default study up to date; returns the exit code.

    The report is rendered even if runs failed, and names them.

    Raises:
        UserError: the current folder is not a project's, or the study is already being reproduced.

    """
    if not PIPELINE.is_file():
        raise UserError(f"{PIPELINE}: is not in this folder; run from the project's folder, or name a study with --study.")
    if set("{}") & set(str(Path.cwd())):
        raise UserError(f"{Path.cwd()}: DVC takes no braces in a path; rename the folder, or name a study with --study.")
    with study_lock(Path("build") / study.study):
        with Session(study, Display()) as session:
            session.prepare(PRETRAINING, FINE_TUNING)
        if _dvc("status", "--quiet", quiet=True) == 0:
            print(f"{study.study}: everything is up to date, nothing to run.")
            code = 0
        else:
            code = _repro(study)
        # DVC skips the report stage if the results are those in dvc.lock; but the report says more than the results.
        plan = resolve(study)
        if code or not is_current(out, plan):
            render_report(plan, out)
    print(f"{study.study}: the report is {out / 'index.html'}")
    return code


def _repro(study: Study) -> int:
    with server.used(LOGS / "prefect-server.log") as ready:
        ready()
        code = _dvc("repro")
    if code == 0:
        return 0
    plan = resolve(study)
    if plan.missing_data:
        raise UserError(f"{PIPELINE}: the data could not be made; see what DVC printed above.")
    counts = plan.counts()
    left = ", ".join(f"{count} {state}" for state, count in counts.items() if state != RunState.COMPLETE)
    detail = f"{left} of {counts.total()} runs; `m2pt status` names the failed ones" if left else "all runs are complete"
    print(f"m2pt: the study is not finished: {detail}; see what DVC printed above for the stage that failed.", file=sys.stderr)
    return 1


def _dvc(*arguments: str, quiet: bool = False) -> int:
    """Run DVC with this Python first on the path; an interrupt of this process reaches DVC and its stage."""
    binaries = str(Path(sys.executable).parent)
    variables = os.environ | {"PATH": os.pathsep.join([binaries, os.environ.get("PATH", "")]), WATCHED: str(os.getpid())}
    output = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "dvc", *arguments]
    # A group of its own, so that an interrupt reaches DVC and its stage once, from here, and not also from the terminal.
    process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, process_group=0)
    try:
        return process.wait()
    except BaseException:
        end_group(process, signal.SIGINT)
        raise
