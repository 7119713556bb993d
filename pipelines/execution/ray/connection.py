"""Joining a Ray cluster, or starting one on this machine: without telemetry, a dashboard, or a way in for others."""

import os
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import ModuleType
from typing import Any

from m2pt.config import ExecutionConfig, UserError
from m2pt.files.locks import is_locked, locked
from pipelines.planning.slots import usable_cores

_NOTICED_SOON = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""A node of a cluster of ours that does not answer is dead after some seconds, not after half a minute."""

_GCS_LIMIT_S = 10
"""So long after the process of a cluster of ours that knows all others (GCS) has died, all end; by Ray only after a minute."""

_FOLDER, _LOCK = "m2pt-ray-", "command.lock"

_SECRET = secrets.token_hex(32)


@contextmanager
def joined(execution: ExecutionConfig) -> Iterator[ModuleType]:
    """Ray, while this process belongs to the cluster at `cluster_address`, or to one that it starts and that ends with it.

    Raises:
        UserError: Ray is not installed, or the cluster cannot be reached or started.

    """
    address = cluster_address(execution)
    if address is None:
        _keep_out_others()
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(_GCS_LIMIT_S))
    ray = installed()
    with own_folder() as folder:
        try:
            if address not in (None, "auto"):
                _require_answer(address)
            own = {} if address else _own(execution, folder)
            with _own_end():
                ray.init(address or "local", log_to_driver=False, configure_logging=False, **own)
        except Exception as error:
            where = "a cluster on this machine cannot be started" if address is None else f"no cluster answers at {address}"
            raise UserError(f"execution.ray.address: {where} ({first_line(error)}).") from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def own_folder() -> Iterator[str]:
    """A folder for what a cluster writes, which goes with it; those of commands that were killed go at the next start.

    Its path is short, as that of a socket has to be.
    """
    for folder in Path(gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError):  # a lock that is being taken has no size yet
            if (folder / _LOCK).stat().st_size and not is_locked(folder / _LOCK):
                shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=_FOLDER, ignore_cleanup_errors=True) as new, locked(Path(new) / _LOCK):
        yield new


def cluster_address(execution: ExecutionConfig) -> str | None:
    """Where the cluster is, by the study or else by Ray's own variable; None: a cluster of this machine, made for the study."""
    return execution.ray.address or os.environ.get("RAY_ADDRESS") or None


@contextmanager
def _own_end() -> Iterator[None]:
    """Keep what this process does when it is told to end; Ray would let it exit at once."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():  # in another thread Ray leaves it alone
        signal.signal(signal.SIGTERM, ours)


def _own(execution: ExecutionConfig, folder: str) -> dict[str, Any]:
    """How a cluster of ours is started."""
    cores = usable_cores() if execution.slots == "auto" else execution.slots * execution.devices_per_job
    return {"num_cpus": cores, "include_dashboard": False, "_system_config": _NOTICED_SOON, "_temp_dir": folder}


def installed() -> ModuleType:
    """Ray, which sends nothing to its makers.

    Raises:
        UserError: it is not installed.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "execution.engine: Ray is not installed; `pip install 'm2pt[ray]'`, or set execution.engine: local."
        ) from error
    return ray


def first_line(error: Exception) -> str:
    """What an error of Ray's says first."""
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _keep_out_others() -> None:
    """Let a cluster of ours ask for a secret, since its ports are open to the network; only this process has it.

    Ray reads both when it is imported, once for the life of the process. Without them it would keep a secret in the home folder.
    """
    for name, value in (("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN", _SECRET)):
        os.environ.setdefault(name, value)


def _require_answer(address: str) -> None:
    """Raise `ValueError` unless something answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("an address is HOST:PORT, as `ray start --head` tells it, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        raise ValueError(f"{(error.strerror or str(error)).lower()}; start one with `ray start --head`") from error
