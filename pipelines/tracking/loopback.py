"""A process that serves an application on this machine's loopback interface, to its own pages, for as long as its parent lives.

The process inherits a socket that listens already, so that no other process can take the address in the meantime. It ends when
its standard input closes, however its parent ends: also by a SIGKILL, after which nobody would end it.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
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
    own = partial(_own_pages, make_application, port_of(listener))
    config = uvicorn.Config(own, factory=True, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def port_of(listener: int) -> int:
    """The port of a socket, given its file descriptor."""
    with socket.socket(fileno=os.dup(listener)) as copy:
        return int(copy.getsockname()[1])


def _own_pages(make_application: "Callable[[], ASGIApp]", port: int) -> "ASGIApp":
    from pipelines.tracking.own_pages import OwnPages

    return OwnPages(make_application(), [f"http://{host}:{port}" for host in HOSTS])


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    # No need to wait: the databases are SQLite in WAL mode, which loses nothing that was committed.
    os._exit(0)
