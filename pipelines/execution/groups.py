"""Ending a process together with everything that it started."""

import os
import signal
import subprocess
import time
from contextlib import suppress

_PATIENCE_S = 10.0


def end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the group that `process` leads; whatever is left after some seconds is killed."""
    deadline = time.monotonic() + _PATIENCE_S
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
