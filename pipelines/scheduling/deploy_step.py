"""A step of `prefect deploy` (`build` in prefect.yaml): it refuses a server that is not this project's."""

import os

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from m2pt.config import UserError
from pipelines.execution.process_environment import prepare
from pipelines.execution.program import as_called
from pipelines.scheduling.credentials import API_URL, AUTH, require_own


def own_server() -> dict[str, str]:
    """End `prefect deploy` with one sentence unless the server that it would change is this project's."""
    prepare()
    api_url = PREFECT_API_URL.value()
    if api_url is None:
        sentence = f"{API_URL}: is not set; start a server with `m2pt ui --prefect`, then `. .prefect/server.env`."
        raise SystemExit(f"m2pt: {as_called(sentence)}")
    if password := PREFECT_API_AUTH_STRING.value():
        os.environ[AUTH] = password if isinstance(password, str) else password.get_secret_value()
    try:
        require_own(api_url.rstrip("/"))
    except UserError as error:
        raise SystemExit(f"m2pt: {error}") from None
    return {}
