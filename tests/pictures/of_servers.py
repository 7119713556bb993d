"""The pages of MLflow and Prefect, served by `m2pt ui` and `m2pt serve` from a copy of a project with a finished study."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort

from tests.browser import Tab
from tests.pictures.canvas import go, take, wait_for, wait_for_text

_LIMIT_S = 300.0
_EXPAND = "codegen_mlflow_app_src_experiment-tracking_components_experiment-page_components_runs_cells_runnamecellrenderer.tsx_46"
"""What MLflow calls the button that opens a row."""


def take_all(tab: Tab, project: Path, asked: set[str]) -> None:
    """Serve the pages and take the pictures of those that were asked for."""
    with served(project, "ui", "--prefect") as said:
        words = until(said, "Ctrl-C ends")
        mlflow, prefect = re.findall(r"http://\S+", words)[:2]
        if "mlflow" in asked:
            tab.enter(mlflow.partition("/#")[0], (project / ".prefect/password").read_text().strip())
            of_mlflow(tab, mlflow)
        if "prefect" in asked:
            of_prefect(tab, prefect, project)


def of_mlflow(tab: Tab, page: str) -> None:
    """The runs of the study, their charts, and one run."""
    go(tab, page)
    wait_for_text(tab, "embedded:")
    if tab.run("Boolean(document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]'))"):
        _press(tab, "mlflow.assistant.chat_panel.close")
    wait_for(tab, "document.querySelector('[col-id*=over_random]')", "column of gains")
    take(tab, "mlflow-runs")
    go(tab, f"{page}&compareRunsMode=CHART")
    wait_for(tab, f"document.querySelector('[data-component-id=\"{_EXPAND}\"]')", "row to open")
    _press(tab, _EXPAND)
    heading = "[...document.querySelectorAll('*')].find(item => !item.children.length && /^1_val/.test(item.textContent))"
    wait_for(tab, heading, "charts of validation scores")
    tab.run(f"{heading}.scrollIntoView()")
    wait_for(tab, "document.querySelectorAll('.js-plotly-plot .scatterlayer path').length > 10", "curves")
    take(tab, "mlflow-charts")
    link = "[...document.querySelectorAll('a')].find(item => /from-.*-pathway/.test(item.textContent))"
    wait_for(tab, link, "run of a pathway")
    address = tab.run(f"{link}.href")
    go(tab, f"{address.partition('?')[0]}?workflowType=machine_learning")
    wait_for_text(tab, "1_val/accuracy")
    take(tab, "mlflow-run")


def of_prefect(tab: Tab, page: str, project: Path) -> None:
    """The flow run of the sweep, what the report has put on its page, and the form that starts a study."""
    auth = (project / ".prefect/password").read_text().strip()
    go(tab, page)
    wait_for_text(tab, "Login")
    tab.run(f"localStorage.setItem('prefect-password', {base64.b64encode(auth.encode()).decode()!r})")
    with SyncPrefectClient(f"{page}/api", auth_string=auth) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
        last = {kind: next((run.id for run in runs if run.name.startswith(kind)), None) for kind in ("sweep", "report")}
        # Only a flow run with artifacts of this version has an answer among them.
        latest_first = client.read_artifacts(sort=ArtifactSort.CREATED_DESC)
        answer = next(item for item in latest_first if str(item.key).startswith("answer-"))
        go(tab, f"{page}/v2/runs/flow-run/{last['sweep']}")
        wait_for_text(tab, "Task runs")
        wait_for_text(tab, "running")
        take(tab, "prefect-flow-run")
        go(tab, f"{page}/v2/runs/flow-run/{last['report']}?tab=Artifacts")
        wait_for_text(tab, "What the study says")
        take(tab, "prefect-artifacts")
        go(tab, f"{page}/v2/artifacts/artifact/{answer.id}")
        wait_for_text(tab, "Does a pathway")
        take(tab, "prefect-answer")
        server = {"PREFECT_API_URL": f"{page}/api", "PREFECT_API_AUTH_STRING": auth}
        with served(project, "serve", "--cron", "0 2 * * *", **server):
            end = time.monotonic() + _LIMIT_S
            while not (known := client.read_deployments()):
                if time.monotonic() > end:
                    raise SystemExit(f"m2pt serve: has made no deployment after {_LIMIT_S:.0f} s.")
                time.sleep(1)
            go(tab, f"{page}/v2/deployments/deployment/{known[0].id}/run", 1270)
            wait_for_text(tab, "Submit")
            take(tab, "prefect-form")


@contextmanager
def served(project: Path, *command: str, **variables: str) -> Iterator[Path]:
    """A command of m2pt that serves something until it is interrupted; yields the file of what it says."""
    said = project / ".m2pt/pictures.txt"
    said.parent.mkdir(exist_ok=True)
    with said.open("wb") as out, ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", *command], cwd=project, env=os.environ | variables, stdout=out, stderr=out
        )
        stack.callback(process.wait)
        stack.callback(process.send_signal, signal.SIGINT)
        yield said


def until(said: Path, words: str) -> str:
    """Wait until a command has said some words. Raises `SystemExit` with what it said instead."""
    end = time.monotonic() + _LIMIT_S
    while words not in (known := said.read_text()):
        if time.monotonic() > end:
            raise SystemExit(f"m2pt has not said '{words}' after {_LIMIT_S:.0f} s, but: {known}")
        time.sleep(0.3)
    return known


def _press(tab: Tab, component: str) -> None:
    tab.run(f"document.querySelector('[data-component-id=\"{component}\"]').click()")
    time.sleep(2)
