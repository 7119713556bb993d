"""Flow runs whose process was killed. Nothing tells Prefect, on whose pages they would be running for ever.

Each flow run holds a lock on a file of its own, which the system frees however its process ends. Prefect's heartbeats would need
its server to outlive the process by minutes; ours ends with the command that has started it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from m2pt.files.locks import is_locked, locked
from pipelines.execution.process_environment import STATE

_FOLDER = STATE / "flow-runs"


@contextmanager
def noted(flow_run: str) -> Iterator[None]:
    """Note that a flow run goes on in this process, until the context is left."""
    path = _FOLDER / f"{flow_run}.lock"
    with locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def killed() -> list[UUID]:
    """The flow runs of this project whose process was killed, and of which Prefect has not been told."""
    found = []
    for path in sorted(_FOLDER.glob("*.lock")):
        with suppress(ValueError, OSError):  # a file that is no lock of ours, or is gone
            # In this order: a lock that is being taken has no size yet, and one that is given back has no file any more.
            if path.stat().st_size and not is_locked(path) and path.exists():
                found.append(UUID(path.stem))
    return found


def forget(flow_run: UUID) -> None:
    """Prefect knows how a flow run has ended, or does not know the flow run at all."""
    (_FOLDER / f"{flow_run}.lock").unlink(missing_ok=True)
