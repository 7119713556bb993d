"""What Prefect logs: not in the terminal, and all of it on its pages."""

import logging

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def flush() -> None:
    """Send what Prefect has not sent yet, because its server may end before this process does."""
    APILogWorker.drain_all(timeout=10, at_exit=False)
    EventsWorker.drain_all(timeout=10, at_exit=False)


def quiet() -> None:
    """Keep Prefect's messages about single runs out of the terminal: our own display shows the runs."""

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return not record.name.startswith(("prefect.task_runs", "prefect.flow_runs", "prefect.task_runner"))

    for handler in logging.getLogger().handlers:
        handler.addFilter(from_elsewhere)
    # Prefect would write in the middle of the bars that its server takes no records of the log any more; `ended_with` says why.
    logging.raiseExceptions = False
