"""A process that serves an application on this machine's loopback interface for exactly as long as its parent lives.

The process inherits a socket that listens already, so that no other process can take the address in the meantime. It ends when
its standard input closes, however its parent ends: also by a SIGKILL, after which nobody would end it.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
HOSTS = [HOST, "localhost"]
"""The names under which the servers answer."""


def serve(make_application: "Callable[[], ASGIApp]", listener: int) -> None:
    """Serve an application on a socket (its inherited file descriptor) until standard input closes."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    config = uvicorn.Config(make_application, factory=True, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    # No need to wait: the databases are SQLite in WAL mode, which loses nothing that was committed.
    os._exit(0)
