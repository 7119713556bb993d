"""Whether a database on a server can be reached at all."""

import socket
from urllib.parse import SplitResult

from pipelines.tracking.tracker import OutageError

_LIMIT_S = 3.0


def require_listening(parts: SplitResult) -> None:
    """Raise `OutageError` if nothing listens at the address of a database: MLflow would try for most of an hour to reach it."""
    port = parts.port or {"postgresql": 5432, "mysql": 3306}.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None:
        return
    try:
        socket.create_connection((parts.hostname, port), _LIMIT_S).close()
    except OSError as error:
        where, reason = f"{parts.hostname}:{port}", error.strerror or error
        raise OutageError(f"MLFLOW_TRACKING_URI: {where} does not answer ({reason}); start it, then publish again.") from error
