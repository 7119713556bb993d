"""The process of MLflow's server with its pages: `python -m pipelines.tracking.mlflow_process SOCKET`.

MLflow's own command has a password only with further packages, takes requests of pages from every other port of this machine, and
offers an assistant that runs commands for whoever asks. So its application is served here, behind a guard.
"""

import base64
import os
import secrets
import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.tracking import loopback
from pipelines.tracking.own_pages import refuse

AUTH = "M2PT_PAGES_AUTH"
"""Holds the name and the password that the pages ask for, as NAME:PASSWORD."""

DATABASE, ARTIFACTS = "M2PT_PAGES_DATABASE", "M2PT_PAGES_ARTIFACTS"
"""Hold the addresses of the database and of the folder for files. The arguments of a process can be read by every user."""

_OPEN = ("/health", "/version")
"""What is answered without a password: whether the server is there."""


class Guard:
    """Lets only those use an application who know the password."""

    def __init__(self, application: ASGIApp, auth: str) -> None:
        self._application = application
        self._expected = b"Basic " + base64.b64encode(auth.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan" or scope.get("path") in _OPEN:
            await self._application(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not secrets.compare_digest(headers.get(b"authorization", b""), self._expected):
            sentence = "Name and password are the line NAME:PASSWORD in the file that m2pt ui has named."
            await refuse(send, 401, sentence, (b"www-authenticate", b'Basic realm="m2pt", charset="UTF-8"'))
        else:
            await self._application(scope, receive, send)


def application(database: str, artifacts: str) -> ASGIApp:
    """MLflow's server over a database (its address) and a folder for files (its address), without the assistant's routes."""
    from mlflow.server import constants

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: database,
        constants.REGISTRY_STORE_URI_ENV_VAR: database,
        constants.ARTIFACT_ROOT_ENV_VAR: artifacts,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    from mlflow.server.assistant.api import assistant_router

    # No setting turns it off, and the application takes its routes from here.
    assistant_router.routes.clear()
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(database, database, artifacts)
    made: ASGIApp = app
    return made


def serve(listener: int) -> None:
    """Serve MLflow's pages on a socket (its inherited file descriptor) until standard input closes."""
    auth, database, artifacts = (os.environ.pop(name) for name in (AUTH, DATABASE, ARTIFACTS))
    port = loopback.port_of(listener)
    # Without these names MLflow also answers under any private address, and to a name that points to one (DNS rebinding).
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(f"{host}:{port}" for host in loopback.HOSTS)
    os.environ["MLFLOW_SERVER_X_FRAME_OPTIONS"] = "SAMEORIGIN"
    loopback.serve(lambda: Guard(application(database, artifacts), auth), listener)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
