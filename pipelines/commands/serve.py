"""`serve` and `ui`: a study on a schedule, and the pages of MLflow and Prefect."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from contextlib import ExitStack

from m2pt.config import UserError
from pipelines.execution.groups import end_group
from pipelines.execution.process_environment import LOGS, WATCHED
from pipelines.planning import study_file
from pipelines.scheduling import server

PREFECT_PORT = 4200
MLFLOW_PORT = 5000


def serve(options: Namespace) -> int:
    """Put a study on a schedule and do its runs until interrupted."""
    study = study_file.load(options.study)
    if options.every is not None and options.every < 1:
        raise UserError(f"--every: {options.every:g} is too short; give at least 1 second.")
    if options.starter:
        from pipelines.scheduling import flows

        flows.serve(options.study, study, options.cron, options.every)
        return 0
    with server.used(LOGS / "prefect-server.log", options.port or PREFECT_PORT, schedules=True) as ready:
        api_url = ready()
        when = f"by the cron schedule {options.cron}" if options.cron else f"every {options.every:g} s"
        print(f"{study.study}: runs {when}; Prefect shows it at {api_url.removesuffix('/api')} (Ctrl-C ends it).", flush=True)
        return _start_runs(options)


def _start_runs(options: Namespace) -> int:
    """Let another process start the runs, so that an interrupt reaches it from here, in order, and not from the terminal."""
    schedule = ["--cron", options.cron] if options.cron else ["--every", str(options.every)]
    command = [sys.executable, "-m", "pipelines", "serve", "--starter", "--study", str(options.study), *schedule]
    path = LOGS / "serve.log"
    with path.open("ab") as log:
        variables = os.environ | {WATCHED: str(os.getpid())}
        starter = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stderr=log, process_group=0)
        try:
            starter.wait()
        finally:
            end_group(starter, signal.SIGTERM)
    raise UserError(f"the schedule ended by itself; {path} says why.")


def ui(options: Namespace) -> int:
    """Show the pages of MLflow, and of Prefect with `--prefect`, until interrupted."""
    from pipelines.tracking import mlflow_ui

    with ExitStack() as stack:
        port = server.free_port(options.port or MLFLOW_PORT)
        LOGS.mkdir(parents=True, exist_ok=True)
        log = stack.enter_context((LOGS / "mlflow-server.log").open("ab"))
        variables = os.environ | mlflow_ui.ui_environment()
        command = mlflow_ui.ui_command(server.HOST, port)
        mlflow = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)
        stack.callback(end_group, mlflow, signal.SIGTERM)
        page = mlflow_ui.study_page(study_file.load(options.study).study, f"http://{server.HOST}:{port}")
        print(f"MLflow:  {page}", flush=True)
        if options.prefect:
            prefect = stack.enter_context(server.used(LOGS / "prefect-server.log", PREFECT_PORT, schedules=True))
            print(f"Prefect: {prefect().removesuffix('/api')}", flush=True)
        print("Ctrl-C ends.", flush=True)
        while mlflow.poll() is None:
            time.sleep(0.2)
    raise UserError(f"the MLflow server ended by itself; {LOGS / 'mlflow-server.log'} says why.")
