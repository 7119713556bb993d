"""The default study through DVC: `dvc repro`, whose stages call the other commands."""

import os
import threading
from pathlib import Path

from m2pt.config import Study, UserError
from m2pt.runs.folder import RunState
from pipelines.commands.outage import prefect_or_none
from pipelines.commands.outcome import tell
from pipelines.commands.stoppable import stoppable
from pipelines.execution import dvc
from pipelines.execution.display.view import REPORT, SETTING_UP
from pipelines.execution.expected import phases
from pipelines.execution.progress import Display
from pipelines.execution.session import Session
from pipelines.planning.damaged import doubt_models
from pipelines.planning.default_study import PIPELINE, require_reproducible
from pipelines.planning.folders import study_lock
from pipelines.planning.plan import FINE_TUNING, PRETRAINING, Plan, resolve
from pipelines.reporting.rendering import is_current, render_report
from pipelines.scheduling import server
from pipelines.scheduling.credentials import API_URL
from pipelines.tracking.study import publish_owed


def reproduce(study: Study, file: Path, out: Path, display: Display, afresh: bool = False) -> int:
    """Bring the default study up to date; returns the exit code. `afresh` asks DVC whatever is remembered of its answers.

    The report is rendered even if runs failed, and names them.

    Raises:
        UserError: as `require_reproducible`; or the current folder is not a project's, or the study is already being reproduced.

    """
    require_reproducible(study, file)
    if not PIPELINE.is_file():
        raise UserError(f"{PIPELINE}: is not in this folder; run from the project's folder, or name a study with --study.")
    if set("{}") & set(str(Path.cwd())):
        raise UserError(f"{Path.cwd()}: DVC takes no braces in a path; rename the folder, or name a study with --study.")
    with stoppable(study, display), study_lock(Path("build") / study.study):
        display.prepare(SETTING_UP, "looking at the data and the runs")
        plan = _prepared(study, display)
        display.prepare(SETTING_UP, "asking DVC what has changed")
        if dvc.is_up_to_date(afresh):
            display.finish(SETTING_UP)
            display.say(f"{study.study}: everything is up to date, nothing to run.")
            code = 0
        else:
            if doubt_models(study):  # DVC would keep them as they are
                plan = _prepared(study, display)
            display.expect(phases(plan))
            code = _repro(study, display)
        # DVC skips the report stage if the results are those in dvc.lock; but the report says more than the results.
        plan = resolve(study)
        if code or not is_current(out, plan):
            with display.during(REPORT, "reading the runs, drawing the figures"):
                render_report(plan, out)
        if code == 0:
            publish_owed(plan, out, display.say)
    tell(display, study, file, out, done=code == 0)
    return code


def _prepared(study: Study, display: Display) -> Plan:
    with Session(study, display) as session:
        session.prepare(PRETRAINING, FINE_TUNING)
        return session.plan


def _repro(study: Study, display: Display) -> int:
    display.prepare(SETTING_UP, "starting DVC")
    with prefect_or_none(display.say) as ready:
        threading.Thread(target=ready, name="prefect", daemon=True).start()  # which tells if there is no server
        kept = {} if server.OWN in os.environ or API_URL in os.environ else {server.OWN: server.NONE}
        code = dvc.repro(display, kept)
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
