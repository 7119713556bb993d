"""The deployment of a study: its schedule and its form on the Prefect server in use."""

import os
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from m2pt.config import Study, UserError
from pipelines.scheduling.credentials import API_URL, is_own

_PROJECT = "project:"


def serve(file: Path, declared: Study, cron: str | None, every_s: float | None) -> None:
    """Put a study on a schedule on the Prefect server in use, and start its runs until this process is ended."""
    from pipelines.scheduling import flows

    flows.study.serve(
        name=declared.study,
        cron=cron,
        interval=None if every_s is None else timedelta(seconds=every_s),
        parameters={"study": str(file)},
        # The flow itself says what is wrong with a form, in our words, where Prefect would say it in those of a JSON schema.
        enforce_parameter_schema=False,
        tags=[_tag()],
        # Two at once: while one runs, the next can end as skipped, instead of running late.
        limit=2,
        print_starting_message=False,
    )


def require_free(study: str) -> None:
    """Refuse to change the deployment of another project, on a server that several share.

    Raises:
        UserError: the server has a study of that name of another project.

    """
    if is_own(os.environ[API_URL]):
        return
    try:
        with get_client(sync_client=True) as client:
            tags = client.read_deployment_by_name(f"study/{study}").tags
    except ObjectNotFound:
        return
    theirs = [tag.removeprefix(_PROJECT) for tag in tags if tag.startswith(_PROJECT)]
    if theirs and _tag() not in tags:
        raise UserError(
            f"study: the Prefect server in use has a study {study} of the project in {theirs[0]}; give this one another name, "
            "or unset PREFECT_API_URL to have a server of this project's own."
        )


def _tag() -> str:
    return f"{_PROJECT}{Path.cwd()}"
