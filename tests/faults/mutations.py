"""What a broken m2pt would do, done to a process of a test: the harness has to notice each."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any


def apply(name: str) -> None:
    """Break this process: a rename left out, a lock not taken, or a point sent twice."""
    {"rename": _leave_out_a_rename, "lock": _take_no_lock, "point": _send_points_twice}[name]()


def _leave_out_a_rename() -> None:
    real = os.replace

    def replaced(source: Any, target: Any, **named: Any) -> None:
        if not os.fsdecode(target).endswith("/record.json"):
            real(source, target, **named)

    os.replace = replaced


def _take_no_lock() -> None:
    from m2pt.files import leases, locks

    leases.Lease.try_to_take = lambda self: True  # type: ignore[method-assign]
    leases.Lease.ours = lambda self, within_s=0.0: True  # type: ignore[method-assign]
    locks._acquire = lambda path, handle, wait_s: None


def _send_points_twice() -> None:
    from pipelines.tracking.mlflow_client import Client

    real: Callable[..., None] = Client.log

    def log(self: Client, mlflow_id: str, new: Any) -> None:
        real(self, mlflow_id, replace(new, groups=list(new.groups)))
        again = [[replace(point, time_ms=point.time_ms + 1) for point in group] for group in new.groups]
        real(self, mlflow_id, replace(new, params={}, tags={}, groups=again))

    Client.log = log  # type: ignore[method-assign]
