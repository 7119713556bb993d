"""The process of a local Prefect server: `python -m pipelines.scheduling.server_process SOCKET`. It ends with its standard input.

A module of its own because this process must not load m2pt.
"""

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOSTS = ["127.0.0.1", "localhost"]
"""The names under which the server answers."""


def serve(listener: int) -> None:
    """Serve Prefect's API and pages on a socket (its inherited file descriptor) until standard input closes."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    config = uvicorn.Config(guarded, factory=True, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def guarded() -> "ASGIApp":
    """Prefect's server, which answers to the names of this machine alone.

    Prefect has no setting for that. A page whose own name was made to point to this machine (DNS rebinding) would be of the same
    origin as the server; the name in its requests gives it away.
    """
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(create_app(), allowed_hosts=HOSTS)


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    # No need to wait: the database is SQLite in WAL mode, which loses nothing that was committed.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
