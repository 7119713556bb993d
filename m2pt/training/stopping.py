"""How a job is asked to stop, and ends in order: it finishes its step, saves, and leaves within a limit, with a code of its own.

Schedulers differ in the signal that they send before they take a machine away: SIGTERM (Kubernetes, SLURM by default, systemd),
SIGUSR1 or SIGUSR2 (SLURM where one asks for it), SIGHUP (an ssh session), SIGINT (a person). All mean the same here.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from m2pt.stop_limit import STOP_LIMIT_S

STOPPED = 75
"""The exit code of a job that was stopped before its end: `EX_TEMPFAIL` of sysexits.h, to be tried again."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class StoppedError(Exception):
    """The job was asked to stop, and everything that is needed to continue is saved."""


class Stop:
    """Whether this job was asked to stop; any thread may ask. `limit_s` is how long it then has to end."""

    def __init__(self) -> None:
        self.limit_s = STOP_LIMIT_S
        self._asked = threading.Event()
        self._guard = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._told: list[Callable[[], None]] = []
        self._reasons: list[Callable[[], bool]] = []

    @property
    def asked(self) -> bool:
        """Whether somebody has asked, or something that is watched (`watching`) is a reason to."""
        if not self._asked.is_set() and any(is_reason() for is_reason in self._reasons):
            self.ask()
        return self._asked.is_set()

    @contextmanager
    def watching(self, is_reason: Callable[[], bool]) -> Iterator[None]:
        """While the context is open, whoever looks whether somebody has asked looks at this too; it has to be cheap."""
        self._reasons.append(is_reason)
        try:
            yield
        finally:
            self._reasons.remove(is_reason)

    def ask(self, code: int = STOPPED) -> None:
        """Ask once; whatever has not ended after `limit_s` is cut off, with the exit code `code`."""
        with self._guard:
            if self._asked.is_set():
                return
            self._asked.set()
            deadline = threading.Timer(self.limit_s, self._cut_off, (code,))
            deadline.daemon = True
            deadline.start()
            for process in self._processes:
                process.terminate()
            for tell in self._told:
                tell()

    def tells(self, tell: Callable[[], None]) -> None:
        """Call `tell` as soon as somebody asks, or at once if somebody has."""
        with self._guard:
            self._told.append(tell)
            if self._asked.is_set():
                tell()

    @contextmanager
    def reaching(self, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """While the context is open, whoever asks this process asks `process` too, and what cuts this one off kills it."""
        with self._guard:
            self._processes.append(process)
            if self._asked.is_set():
                process.terminate()
        try:
            yield
        finally:
            with self._guard:
                self._processes.remove(process)

    def obey_signals(self) -> None:
        """From now on, each of `SIGNALS` asks this process to stop; only the main thread may call this.

        A thread reads the signals, so that one is heard also while the main thread computes or waits in a library.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        for number in SIGNALS:
            signal.signal(number, _heard_elsewhere)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(reader,), name="signals", daemon=True).start()

    def _listen(self, reader: int) -> None:
        while received := os.read(reader, 1):
            if received[0] in SIGNALS:
                self.ask()

    def _cut_off(self, code: int) -> None:
        print(f"asked to stop, this process did not end within {self.limit_s:g} s and was cut off", file=sys.stderr, flush=True)
        for process in list(self._processes):
            process.kill()
        os._exit(code)


def leave_to_parent(_: int = 0) -> None:
    """Let this process ignore what asks its parent to stop: one that reads samples for it must serve the last step."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _heard_elsewhere(_: int, __: object) -> None:
    """Keeps a signal from ending the process; the thread of `obey_signals` acts on it."""
