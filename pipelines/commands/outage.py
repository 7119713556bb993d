"""What becomes of a command whose Prefect server ends before it does."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from m2pt.config import UserError
from pipelines.scheduling.credentials import API_URL, answers
from pipelines.scheduling.server import Used

_LOOK_EVERY_S = 0.2
_NOTICED_S = 1.0
"""A server that is gone refuses requests a moment before the system says that its process has ended."""


@contextmanager
def ended_with(prefect: Used, save: Callable[[], None]) -> Iterator[None]:
    """While the context is open, let this process end when its Prefect server has: with one sentence, after `save`.

    Prefect would try for minutes to reach the server, once for every run, for the flow, and again when Python ends.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY_S):
            try:
                prefect.require_running()
            except UserError as error:
                with suppress(Exception):  # the first fault is the one to report
                    save()
                sys.stdout.flush()
                print(f"m2pt: {error} Run the command again to go on.", file=sys.stderr, flush=True)
                os._exit(2)

    watch = threading.Thread(target=look, name="watch-server", daemon=True)
    watch.start()
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        time.sleep(_NOTICED_S)
        if not answers(address := os.environ[API_URL]):  # one that others start and end
            raise UserError(
                f"{API_URL}: the Prefect server at {address} does not answer any more; start it, then run the command again."
            ) from error
        raise
    finally:
        over.set()
        watch.join()
