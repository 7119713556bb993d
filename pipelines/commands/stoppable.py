"""Commands that `m2pt stop` ends: they do then what they do at Ctrl-C."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from m2pt.config import Study
from pipelines.execution import interrupts
from pipelines.execution.progress import Display
from pipelines.execution.stop_request import heeded


@contextmanager
def stoppable(study: Study, display: Display) -> Iterator[None]:
    """While the context is open, `m2pt stop` ends this command. One that another command has started leaves it to that one."""

    def end() -> bool:
        if signal.getsignal(signal.SIGINT) is interrupts.leave:  # it loads libraries for some seconds, or ends already
            return False
        display.say(f"{study.study}: `m2pt stop` was called.")
        os.kill(os.getpid(), signal.SIGINT)
        return True

    if display.is_relayed:
        yield
        return
    with heeded(study, end):
        yield
