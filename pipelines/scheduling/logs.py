"""What Prefect logs: not in the terminal, and all of it on its pages."""

import logging
import os
from collections.abc import Callable

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from pipelines.scheduling.credentials import API_URL
from pipelines.scheduling.server import is_ours

_SERVICES = "prefect._internal.concurrency"
_AWAY = "Prefect's server does not answer. The runs go on; its page lacks what happens until it answers again."


def flush() -> None:
    """Send what Prefect has not sent yet, because its server may end before this process does."""
    APILogWorker.drain_all(timeout=10, at_exit=False)
    EventsWorker.drain_all(timeout=10, at_exit=False)


def quiet(say: Callable[[str], object]) -> None:
    """Keep Prefect's messages about single runs out of the terminal: our own display shows the runs.

    What it says, for each event of each run, while its server does not answer, is one sentence, which `say` gets; that of this
    command's own server, which ends the command, has another.
    """
    told = [_AWAY] if is_ours(os.environ.get(API_URL, "")) else []
    # Prefect would write in the middle of the bars that its server takes no records of the log any more; a sentence says why.
    logging.raiseExceptions = False

    def sends(record: logging.LogRecord) -> bool:
        other = record.name == _SERVICES and "EventsWorker" not in record.getMessage()
        if other or record.levelno < logging.WARNING:
            return True
        if not told:
            told.append(_AWAY)
            say(_AWAY)
        return False

    for name in (_SERVICES, "prefect.events.clients"):
        logging.getLogger(name).addFilter(sends)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_from_elsewhere)


def _is_from_elsewhere(record: logging.LogRecord) -> bool:
    return not record.name.startswith(("prefect.task_runs", "prefect.flow_runs", "prefect.task_runner"))
