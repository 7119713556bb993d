"""The default study through DVC: `dvc repro`, whose stages call the other commands."""

import json
from collections.abc import Mapping
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.config.plain_yaml import examine
from m2pt.runs.folder import RunState
from pipelines.commands.outcome import tell
from pipelines.execution import dvc
from pipelines.execution.display.view import REPORT, SETTING_UP
from pipelines.execution.expected import phases
from pipelines.execution.process_environment import LOGS
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.folders import study_lock
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, resolve
from pipelines.reporting.rendering import is_current, render_report
from pipelines.scheduling import server

PIPELINE = Path("dvc.yaml")


def reproduce(study: Study, file: Path, out: Path, display: Display) -> int:
    """Bring the default study up to date; returns the exit code.

    The report is rendered even if runs failed, and names them.

    Raises:
        UserError: the current folder is not a project's, or the study is already being reproduced.

    """
    if not PIPELINE.is_file():
        raise UserError(f"{PIPELINE}: is not in this folder; run from the project's folder, or name a study with --study.")
    if set("{}") & set(str(Path.cwd())):
        raise UserError(f"{Path.cwd()}: DVC takes no braces in a path; rename the folder, or name a study with --study.")
    _require_keys(study, file)
    with study_lock(Path("build") / study.study):
        display.prepare(SETTING_UP, "looking at the data and the runs")
        with Session(study, display) as session:
            session.prepare(PRETRAINING, FINE_TUNING)
        display.prepare(SETTING_UP, "asking DVC what has changed")
        if dvc.is_up_to_date():
            display.finish(SETTING_UP)
            display.say(f"{study.study}: everything is up to date, nothing to run.")
            code = 0
        else:
            display.expect(phases(session.plan))
            code = _repro(study, display)
        # DVC skips the report stage if the results are those in dvc.lock; but the report says more than the results.
        plan = resolve(study)
        if code or not is_current(out, plan):
            with display.during(REPORT, "reading the runs, drawing the figures"):
                render_report(plan, out)
    tell(display, study, file, out, done=code == 0)
    return code


def _require_keys(study: Study, file: Path) -> None:
    """Raise `UserError` if the file leaves out a key that a stage of the pipeline names: DVC knows no defaults."""
    pipeline = examine(PIPELINE.read_text(encoding="utf-8")).value  # what is wrong with it, DVC says
    stages = pipeline["stages"].values() if isinstance(pipeline, dict) and isinstance(pipeline.get("stages"), dict) else ()
    followed = dict.fromkeys(key for stage in stages for key in stage.get("params", ()) if isinstance(key, str))
    written = examine(file.read_text(encoding="utf-8")).value
    missing = [f"{key}: {_as_written(study, key)}" for key in followed if not _has(written, key)]
    if missing:
        raise UserError(f"{file}: DVC compares keys as they are written, but some are left out; add {'; '.join(missing)}.")


def _as_written(study: Study, key: str) -> str:
    value = study.value_of(key)
    return "{}" if isinstance(value, dict) else json.dumps(value).replace('"', "")


def _has(document: object, key: str) -> bool:
    for step in key.split("."):
        if not isinstance(document, Mapping) or step not in document:
            return False
        document = document[step]
    return True


def _repro(study: Study, display: Display) -> int:
    display.prepare(SETTING_UP, "starting Prefect's server")
    with server.used(LOGS / "prefect-server.log") as prefect:
        prefect.ready()
        display.prepare(SETTING_UP, "starting DVC")
        code = dvc.repro(display)
    if code == 0:
        return 0
    plan = resolve(study)
    if plan.missing_data:
        raise UserError(f"{PIPELINE}: the data could not be made; see what DVC printed above, or {dvc.LOG}.")
    counts = plan.counts()
    left = ", ".join(f"{count} {state}" for state, count in counts.items() if state != RunState.COMPLETE)
    detail = f"{left} of {counts.total()} runs; `m2pt status` names the failed ones" if left else "all runs are complete"
    display.say(f"{study.study}: the study is not finished: {detail}; {dvc.LOG} has all that DVC printed.")
    return 1
