"""A worker: many runs in one process, ordered and answered line by line, so that imports are paid for once.

It prints `{"ready": true}`, reads `{"run_dir": ...}` lines from standard input and answers each with
`{"run_dir": ..., "status": ..., "error": ...}`. When its standard input closes, which also happens when its parent dies, or at a
signal, it stops the run that goes on (`m2pt.training.stopping`) and ends.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from m2pt.runs.folder import FAILURE, RunState
from m2pt.training.stopping import STOPPED, Stop

HUNG_UP = 0
"""The exit code of a worker whose standard input was closed."""


def serve(run: Callable[[Path], str | None], stop: Stop) -> NoReturn:
    """Do the runs that are ordered with `run`, until there are no more orders or the process is asked to stop.

    `run` returns None if the run is complete, otherwise a sentence.
    """
    # Answers go to the real standard output; whatever a library prints must not mix with them.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    orders: queue.Queue[str | None] = queue.Queue()
    stop.tells(lambda: orders.put(None))
    ended = threading.Event()
    threading.Thread(target=_read_orders, args=(orders, stop, ended), daemon=True).start()

    def answer(message: dict[str, object]) -> None:
        with suppress(BrokenPipeError):  # nobody waits for it any more
            print(json.dumps(message), file=answers, flush=True)

    answer({"ready": True})
    while (run_dir := orders.get()) is not None:
        error = run(Path(run_dir))
        answer({"run_dir": run_dir, "status": _status(Path(run_dir), error, stop), "error": error})
    os._exit(HUNG_UP if ended.is_set() else STOPPED)  # not a second for freeing memory


def _status(run_dir: Path, error: str | None, stop: Stop) -> RunState:
    if error is None:
        return RunState.COMPLETE
    return RunState.INTERRUPTED if stop.asked and not (run_dir / FAILURE).is_file() else RunState.FAILED


def _read_orders(orders: "queue.Queue[str | None]", stop: Stop, ended: threading.Event) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line)["run_dir"])
    ended.set()
    stop.ask(HUNG_UP)
