"""MLflow's own pages: the command that serves them, and the address of a study in them."""

import sys

from m2pt.config import UserError
from pipelines.tracking.mlflow_client import FAULTS, PAGES, experiment_id, installation, open_database
from pipelines.tracking.mlflow_columns import VIEW
from pipelines.tracking.mlflow_store import locate, outage, store_lock


def ui_command(host: str, port: int) -> list[str]:
    """The command of the MLflow server with its pages over the project's own store; run it with `ui_environment()`.

    Raises:
        UserError: the store is a server, which has pages of its own, or the database cannot be used.

    """
    store = locate()
    if store.artifacts is None:
        raise UserError(f"MLFLOW_TRACKING_URI: runs are tracked on the server {store.uri}, which shows them itself; open it.")
    if "%" in (folder := str(installation())):
        raise UserError(
            f"{folder}: MLflow cannot serve pages from a folder with a percent sign in its name; move the project to show them."
        )
    with store_lock(store):
        open_database(store)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri]
    command += ["--default-artifact-root", store.artifacts.as_uri(), "--host", host, "--port", str(port), "--workers", "1"]
    # Without this MLflow also answers under any private address, and to a name that points to one (DNS rebinding). Of other
    # origins it always takes those of this machine; more it takes only if told so.
    return [*command, "--allowed-hosts", f"{host}:{port},localhost:{port}", "--x-frame-options", "SAMEORIGIN"]


def ui_environment() -> dict[str, str]:
    """What to add to the environment of `ui_command`: no background jobs (eight processes), no telemetry."""
    return {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def study_page(study: str, address: str) -> str:
    """The page of a study's runs at `address` (scheme, host, port), or the front page while nothing of it is tracked.

    Raises:
        UserError: the store cannot be used.

    """
    store = locate()
    try:
        with store_lock(store):
            experiment = experiment_id(store, study)
    except FAULTS as error:
        raise outage(store, error) from error
    return f"{address}/#/experiments/{experiment}/runs{PAGES}&viewStateShareKey={VIEW}" if experiment else address
