"""A request to end a study that another process does, perhaps on another host: a file beside the lock of the study's runs.

It names the process that is asked, so that it never stops a later one: whoever is asked removes it and ends, and whoever asks
removes what nobody took.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from m2pt.config import Frozen, Study, UserError
from m2pt.files.documents import read_model, write_json
from m2pt.files.markers import this_host
from pipelines.execution.holders import Holder
from pipelines.planning.folders import runs_folder

LOOK_EVERY_S = 0.5


class Request(Frozen):
    """The content of the file: which process is asked to end."""

    host: str
    pid: int


def request_file(study: Study) -> Path:
    """Where a study's request is."""
    folder = runs_folder(study)
    return folder.parent / f".{folder.name}.stop"


def ask(study: Study, holder: Holder) -> None:
    """Ask the process that does a study to save its runs and end. Raises `UserError` if the file cannot be written."""
    write_json(request_file(study), Request(host=holder.host, pid=holder.pid).model_dump())


def is_waiting(study: Study) -> bool:
    """Whether a request has not been taken yet."""
    return request_file(study).exists()


def withdraw(study: Study) -> None:
    """Take a request back; does nothing if it was taken."""
    request_file(study).unlink(missing_ok=True)


@contextmanager
def heeded(study: Study, end: Callable[[], bool]) -> Iterator[None]:
    """While the context is open, call `end` from a thread when this process is asked; until it returns True, the request waits.

    Enter it before the study's lock is taken: what names this process then was meant for an earlier one with its id.
    """
    over = threading.Event()
    if _names_this_process(study):
        withdraw(study)

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            if _names_this_process(study) and end():
                withdraw(study)
                return

    watch = threading.Thread(target=look, name="stop-request", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _names_this_process(study: Study) -> bool:
    try:
        asked = read_model(request_file(study), Request)
    except UserError:  # there is none
        return False
    return (asked.host, asked.pid) == (this_host(), os.getpid())
