"""The process of a local Prefect server: `python -m pipelines.server_process PORT`. It ends when its standard input closes.

Apart from `pipelines.server` because this one must not load m2pt.
"""

import os
import sys
import threading


def serve(port: int) -> None:
    """Serve Prefect's API and pages on the loopback interface until standard input closes."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="warning", lifespan="on"
    )


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    # The database is SQLite in WAL mode: it loses nothing that was committed, so there is nothing to wait for.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
