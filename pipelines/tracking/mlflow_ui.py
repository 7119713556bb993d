"""MLflow's own pages: the command that serves them, and the address of a study in them."""

import sys

from m2pt.config import UserError
from pipelines.tracking.address import without_password
from pipelines.tracking.mlflow_client import FAULTS, PAGES, experiment_id, installation, open_database
from pipelines.tracking.mlflow_columns import VIEW
from pipelines.tracking.mlflow_process import ARTIFACTS, AUTH, DATABASE
from pipelines.tracking.mlflow_store import locate, outage, store_lock


def ui_command(listener: int, auth: str) -> tuple[list[str], dict[str, str]]:
    """The command that serves MLflow's pages over the project's own store, and what to add to its environment.

    Run it with the inherited socket `listener`, and with a pipe as its standard input: it ends when that closes. The pages ask
    for `auth` (NAME:PASSWORD).

    Raises:
        UserError: the store is a server, which has pages of its own, or the database cannot be used.

    """
    store = locate()
    if store.artifacts is None:
        place = without_password(store.uri)
        raise UserError(f"MLFLOW_TRACKING_URI: runs are tracked on the server {place}, which shows them itself; open it.")
    if "%" in (folder := str(installation())):
        raise UserError(
            f"{folder}: MLflow cannot serve pages from a folder with a percent sign in its name; move the project to show them."
        )
    with store_lock(store):
        open_database(store)
    variables = {AUTH: auth, DATABASE: store.uri, ARTIFACTS: store.artifacts.as_uri()}
    # No background jobs (eight processes), and no telemetry.
    variables |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return [sys.executable, "-m", "pipelines.tracking.mlflow_process", str(listener)], variables


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
