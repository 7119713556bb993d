"""`serve` and `ui`: a study on a schedule, and the pages of MLflow and Prefect."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from m2pt.config import UserError
from m2pt.files.locks import LockHeldError, locked
from pipelines.execution.groups import group
from pipelines.execution.log_files import log_file
from pipelines.execution.process_environment import LOGS, STATE, WATCHED, can_keep
from pipelines.planning import study_file
from pipelines.scheduling import credentials, server
from pipelines.scheduling.killed import killed
from pipelines.tracking.loopback import HOST

PREFECT_PORT = 4200
MLFLOW_PORT = 5000
YEAR_S = 366 * 24 * 3600


def serve(options: Namespace) -> int:
    """Put a study on a schedule and do its runs until interrupted."""
    study = study_file.load(options.study)
    if options.every is not None and not 1 <= options.every <= YEAR_S:  # also NaN
        raise UserError(f"--every: {options.every:g} is no time between starts; give 1 to {YEAR_S} seconds (a year).")
    if options.starter:
        from pipelines.scheduling import deployment, settling

        if sentence := settling.settle(study.study):
            print(f"{study.study}: {sentence}", flush=True)
        with redirect_stdout(sys.stderr):  # what Prefect prints, tracebacks too; its flow runs print where this process does
            deployment.serve(options.study, study, options.cron, options.every)
        return 0
    _require_writable("serve")
    from pipelines.scheduling import cron, notice

    notice.require_usable()
    port = PREFECT_PORT if options.port is None else options.port
    if options.cron is not None:
        cron.require_cron(options.cron)
    with (
        _only_one(options.study, study.study),
        server.used(LOGS / "prefect-server.log", port, schedules=True) as prefect,
    ):
        api_url = prefect.ready()
        from pipelines.scheduling import deployment

        deployment.require_free(study.study)
        when = f"by the cron schedule {options.cron}" if options.cron else f"every {options.every:g} s"
        page = api_url.removesuffix("/api")
        moved = _moved(page, port) if server.is_ours(api_url) else []
        print(f"{study.study}: runs {when}; Prefect shows it at {_noted(page, *moved, 'Ctrl-C ends it')}.", flush=True)
        _say_how_to_enter(api_url)
        return _start_runs(options, prefect)


@contextmanager
def _only_one(file: Path, study: str) -> Iterator[None]:
    """Refuse to serve a study that another process serves: both would have one deployment, and each would start its runs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(STATE / f"serve-{study}.lock", wait_s=0))
        except LockHeldError as error:
            raise UserError(
                f"{file}: the study {study} is being served already (pid {error.holder}); end that one first, or give the study "
                "in a file of your own another name (study: NAME)."
            ) from None
        yield


def _say_how_to_enter(api_url: str) -> None:
    """Say where the password of this project's own server is; a server that the user has named has none of ours."""
    if server.is_ours(api_url):
        print(f"Prefect's pages ask for {_where_password()}.")
        print(f"For Prefect's own commands, in another shell: . {_shown(credentials.write_environment(api_url))}", flush=True)


def _where_password() -> str:
    given = os.environ.get(credentials.SERVER_AUTH)
    return credentials.SERVER_AUTH if given else f"the line in {_shown(credentials.password_file())}"


def _moved(page: str, preferred: int) -> list[str]:
    return [] if not preferred or page.endswith(f":{preferred}") else [f"port {preferred} is taken"]


def _noted(page: str, *notes: str) -> str:
    """A page, and in brackets what there is to say about it."""
    return f"{page} ({'; '.join(notes)})" if notes else page


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _require_writable(command: str) -> None:
    if not can_keep():
        raise UserError(
            f"{Path.cwd()}: this folder cannot be written to, as `m2pt {command}` has to; copy the folder, and run it there."
        )


def _start_runs(options: Namespace, prefect: server.Used) -> int:
    """Let another process start the runs, until interrupted."""
    schedule = ["--cron", options.cron] if options.cron else ["--every", str(options.every)]
    command = [sys.executable, "-m", "pipelines", "serve", "--starter", "--study", str(options.study), *schedule]
    path = LOGS / "serve.log"
    variables = os.environ | {WATCHED: str(os.getpid())}
    with (
        log_file(path) as log,
        group(command, signal.SIGTERM, env=variables, stdin=subprocess.DEVNULL, stderr=log) as starter,
    ):
        while starter.poll() is None:
            prefect.require_running()
            time.sleep(0.2)
    raise UserError(f"the schedule ended by itself; {path} says why.")


def ui(options: Namespace) -> int:
    """Show the pages of MLflow, and of Prefect with `--prefect`, until interrupted."""
    from pipelines.tracking import mlflow_ui

    declared = study_file.load(options.study)
    _require_writable("ui")
    port = MLFLOW_PORT if options.port is None else options.port
    with ExitStack() as stack:
        listener = stack.enter_context(server.listen(port))
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        log = stack.enter_context(log_file(LOGS / "mlflow-server.log"))
        command, variables = mlflow_ui.ui_command(listener.fileno(), credentials.auth_string())
        how: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": log, "stderr": log, "pass_fds": (listener.fileno(),)}
        mlflow = stack.enter_context(group(command, signal.SIGTERM, env=os.environ | variables, **how))
        listener.close()  # the server has it; with a second copy an ended server would seem to be busy
        moved = _moved(address, port)
        print(f"MLflow:  {_noted(mlflow_ui.study_page(declared.study, address), *moved)}", flush=True)
        print(f"The pages ask for a name and a password: {_where_password()}, NAME:PASSWORD.", flush=True)
        if options.prefect:
            prefect = stack.enter_context(server.used(LOGS / "prefect-server.log", PREFECT_PORT, schedules=True))
            page = (api_url := prefect.ready()).removesuffix("/api")
            print(f"Prefect: {_noted(page, *(_moved(page, PREFECT_PORT) if server.is_ours(api_url) else []))}", flush=True)
            _say_how_to_enter(api_url)
            if killed():
                from pipelines.scheduling import settling

                if sentence := settling.settle():
                    print(sentence, flush=True)
        print("Ctrl-C ends.", flush=True)
        while mlflow.poll() is None:
            if options.prefect:
                prefect.require_running()
            time.sleep(0.2)
    raise UserError(f"the MLflow server ended by itself; {LOGS / 'mlflow-server.log'} says why.")
