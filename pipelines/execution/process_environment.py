"""The environment of this process and its children: homes inside the project, no telemetry, no waiting for a network.

It must be prepared before Prefect, MLflow, DVC or matplotlib are imported. It changes no variable that the user has set.
"""

import os
import threading
import time
from pathlib import Path
from urllib.parse import quote

WATCHED = "M2PT_PARENT"
"""Holds the process id of the command that started this one; when that process has ended, this one ends itself."""

STATE = Path(".m2pt")
"""Logs and caches, which can be deleted at any time."""

LOGS = STATE / "logs"


def prepare(root: Path | None = None) -> None:
    """Set the variables that keep the tools quiet and inside `root` (default: the current folder)."""
    root = (root or Path.cwd()).resolve()
    for name, value in _defaults(root).items():
        os.environ.setdefault(name, value)
    home = os.environ["PREFECT_HOME"]
    if "?" in home:  # it would end the path of the database, unless SQLite itself reads the address
        address = f"sqlite+aiosqlite:///file:{quote(home)}/prefect.db?uri=true"
        os.environ.setdefault("PREFECT_SERVER_DATABASE_CONNECTION_URL", address)


def can_keep() -> bool:
    """Whether this process can write where logs and the database of Prefect are kept."""
    folders = (LOGS, Path(os.environ["PREFECT_HOME"]))
    nearest = (next(place for place in (folder, *folder.absolute().parents) if place.exists()) for folder in folders)
    return all(place.is_dir() and os.access(place, os.W_OK | os.X_OK) for place in nearest)


def _defaults(root: Path) -> dict[str, str]:
    return {
        "DO_NOT_TRACK": "true",
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_UI_STATIC_DIRECTORY": str(root / ".prefect" / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        # Log records of a run go to the Prefect UI; the terminal shows our own progress, and only warnings of Prefect's.
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # With a server MLflow would print two addresses for each run, and the password in them.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DVC_NO_ANALYTICS": "true",
        # DVC would expand `$HOME` in a path; it runs in the project's folder, so that a relative path does.
        "DVC_SITE_CACHE_DIR": str((Path() if "$" in str(root) else root) / STATE / "dvc"),
        "MPLCONFIGDIR": str(root / STATE / "matplotlib"),
        "GIT_PYTHON_REFRESH": "quiet",
    }


def follow_parent() -> None:
    """End this process soon after the one named in `M2PT_PARENT` has ended, however it ended; do nothing without the variable."""
    watched = os.environ.get(WATCHED, "")
    if watched.isdecimal() and int(watched) != os.getpid():
        threading.Thread(target=_end_with, args=(int(watched),), name="follow-parent", daemon=True).start()


def _end_with(pid: int) -> None:
    while _is_alive(pid):
        time.sleep(1)
    # No need to wait for a clean end: every file of a run is written so that the process may be killed at any point.
    os._exit(143)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
