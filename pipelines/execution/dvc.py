"""Running DVC: its stages tell what they do, of its own messages only errors are shown, and all of them are kept in a log."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

from m2pt.data.fingerprints import CACHE
from m2pt.files.memory import remembered
from pipelines.execution import dvc_files
from pipelines.execution.display.events import SEPARATOR, relay
from pipelines.execution.groups import group
from pipelines.execution.log_files import log_file
from pipelines.execution.process_environment import LOGS, WATCHED
from pipelines.execution.progress import EVENTS, Display

LOG = LOGS / "dvc.log"
"""Everything that the last `dvc repro` and its stages printed."""

CURRENT = "current"
_LOOK_EVERY_S = 0.05
_NOT_SHOWN = ("WARNING:", "INFO:", "DEBUG:")
"""What DVC puts before messages that report no error. What it prints without one is advice to its users, or its own progress."""


def is_up_to_date(afresh: bool = False) -> bool:
    """Whether nothing that a stage depends on has changed.

    DVC takes seconds to say so. What it said is remembered with the states of all files that it looks at, by which it goes as
    well; `afresh` asks it in any case.
    """
    files = dvc_files.states()
    if files is None:
        return _asked() == CURRENT
    return remembered(CACHE / "dvc.json", files, _asked, beside=version("dvc"), afresh=afresh) == CURRENT


def _asked() -> str:
    with _started(["status", "--quiet"], subprocess.DEVNULL, {}) as process:
        return CURRENT if process.wait() == 0 else "changed"


def repro(display: Display, more: Mapping[str, str]) -> int:
    """Run the stages whose inputs have changed, with `more` variables, and show their progress; returns DVC's exit code."""
    lock, over = threading.Lock(), threading.Event()
    with (
        log_file(LOG, anew=True) as log,
        ExitStack() as readers,
        _started(["repro"], subprocess.PIPE, {EVENTS: "1", **more}) as process,
    ):

        def keep(line: str) -> None:
            with lock:
                log.write(f"{line}\n".encode())
                log.flush()

        def told(line: str) -> None:
            if not (line.startswith(SEPARATOR) and (over.is_set() or relay(line, display.view))) and line:
                keep(line)

        def complaint(line: str) -> None:
            if line:
                keep(line)
                if not line.startswith(_NOT_SHOWN) and not over.is_set():
                    display.say(line)

        readers.callback(_reader(process.stdout, told).join)
        readers.callback(_reader(process.stderr, complaint).join)
        try:
            while (code := process.poll()) is None:
                time.sleep(_LOOK_EVERY_S)
            return code
        except BaseException:
            over.set()  # what DVC and its stage say about being interrupted is no news
            display.say("Ending what DVC has started; the next start continues from there.")
            raise


def _reader(stream: IO[bytes] | None, take: Callable[[str], None]) -> threading.Thread:
    """Hands over the lines of a stream; a line that is written again and again, such as a bar, as it was in the end."""

    def read() -> None:
        if stream is not None:
            with stream:
                for line in stream:
                    take(line.decode(errors="replace").rstrip().rsplit("\r")[-1])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


@contextmanager
def _started(arguments: list[str], output: int, more: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """DVC with this Python first on the path; an interrupt of this process reaches DVC and its stage, once."""
    binaries = str(Path(sys.executable).parent)
    variables = os.environ | {"PATH": os.pathsep.join([binaries, os.environ.get("PATH", "")]), WATCHED: str(os.getpid()), **more}
    command = [sys.executable, "-m", "dvc", *arguments]
    with group(command, signal.SIGINT, env=variables, stdout=output, stderr=output) as process:
        yield process
