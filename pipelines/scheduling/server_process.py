"""The process of a local Prefect server: `python -m pipelines.scheduling.server_process SOCKET`. It ends with its standard input.

A module of its own because this process must not load m2pt.
"""

import os
import socket
import sys
import threading


def serve(listener: int) -> None:
    """Serve Prefect's API and pages on a socket (its inherited file descriptor) until standard input closes."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    config = uvicorn.Config("prefect.server.api.server:create_app", factory=True, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    # No need to wait: the database is SQLite in WAL mode, which loses nothing that was committed.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
