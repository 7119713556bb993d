"""Whether a database on a server can be reached and lets its user in: MLflow would try for minutes, or most of an hour."""

import socket
from urllib.parse import urlsplit

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from pipelines.tracking.address import masked, without_password
from pipelines.tracking.tracker import OutageError

_LIMIT_S = 3
_PORTS = {"postgresql": 5432, "mysql": 3306}


def require_database(address: str) -> None:
    """Raise `OutageError` if nothing listens at the address of a database, or if what listens refuses a connection."""
    parts = urlsplit(address)
    kind = parts.scheme.partition("+")[0]
    port = parts.port or _PORTS.get(kind)
    if not parts.hostname or port is None:
        return
    where = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname, port), _LIMIT_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise OutageError(f"MLFLOW_TRACKING_URI: {where} does not answer ({reason}); start it, then publish again.") from error
    if kind not in _PORTS:  # others name the limit differently
        return
    try:
        engine = create_engine(address, connect_args={"connect_timeout": _LIMIT_S})
        engine.connect().close()
        engine.dispose()
    except SQLAlchemyError as error:
        said = " ".join(masked(str(getattr(error, "orig", error)), address).split())
        raise OutageError(
            f"MLFLOW_TRACKING_URI: {without_password(address)} refuses the connection ({said[:300]}); "
            "correct the name, the password or the database, then publish again."
        ) from error
