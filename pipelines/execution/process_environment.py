"""The environment of this process and its children: homes inside the project, no telemetry, no waiting for a network.

It must be prepared before Prefect, MLflow, DVC or matplotlib are imported; what the user has set is left alone.
"""

import os
import threading
import time
from pathlib import Path
from urllib.parse import quote

WATCHED = "M2PT_PARENT"
"""Process id of the command that started this one on our behalf; when that is gone, this process ends itself."""

STATE = Path(".m2pt")
"""What can be thrown away at any time: logs and caches."""

LOGS = STATE / "logs"


def prepare(root: Path | None = None) -> None:
    """Set the variables that keep the tools quiet and inside `root` (default: the current folder)."""
    root = (root or Path.cwd()).resolve()
    for name, value in _defaults(root).items():
        os.environ.setdefault(name, value)
    home = os.environ["PREFECT_HOME"]
    if "?" in home:  # it would end the path of the database, unless it is SQLite that reads the address
        address = f"sqlite+aiosqlite:///file:{quote(home)}/prefect.db?uri=true"
        os.environ.setdefault("PREFECT_SERVER_DATABASE_CONNECTION_URL", address)


def _defaults(root: Path) -> dict[str, str]:
    return {
        "DO_NOT_TRACK": "true",
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_UI_STATIC_DIRECTORY": str(root / ".prefect" / "ui"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        # The records of a run reach the Prefect UI; the terminal shows our own progress, and of Prefect only what is wrong.
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DVC_NO_ANALYTICS": "true",
        # DVC's cache takes `$HOME` in a path for a variable, and runs in the project's folder anyway.
        "DVC_SITE_CACHE_DIR": str((Path() if "$" in str(root) else root) / STATE / "dvc"),
        "MPLCONFIGDIR": str(root / STATE / "matplotlib"),
        "GIT_PYTHON_REFRESH": "quiet",
    }


def follow_parent() -> None:
    """End this process soon after the one named in `M2PT_PARENT` has ended, in whatever way; without the variable do nothing."""
    watched = os.environ.get(WATCHED, "")
    if watched.isdecimal() and int(watched) != os.getpid():
        threading.Thread(target=_end_with, args=(int(watched),), name="follow-parent", daemon=True).start()


def _end_with(pid: int) -> None:
    while _is_alive(pid):
        time.sleep(1)
    # A clean end is not worth waiting for: all that a run leaves behind is written so that it may break off at any point.
    os._exit(143)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
