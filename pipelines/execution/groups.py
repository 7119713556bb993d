"""Processes that lead a group of their own, and end together with everything that they started."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pipelines.execution import interrupts

_PATIENCE_S = 10.0


@contextmanager
def group(command: Sequence[str], number: signal.Signals, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a group of its own, so that an interrupt reaches it from here, in order, and not from the terminal.

    Leaving the context sends `number` to the group; whatever is left after some seconds is killed. `how` is that of `Popen`.
    """
    process = subprocess.Popen(command, process_group=0, **how)
    interrupts.led.add(process.pid)
    try:
        yield process
    finally:
        _end(process, number)
        interrupts.led.discard(process.pid)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
