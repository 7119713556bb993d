"""The long-lived process of one slot, and how to talk to it: one JSON line per run to it, one JSON line per run from it."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

from m2pt.config import UserError
from m2pt.files.access import way_to_write
from m2pt.training.stopping import STOPPED
from pipelines.planning.slots import Slot

START_LIMIT_S = 300.0
"""How long a worker may take to become ready: imports from a cold disk are slow."""

_POLL_S = 0.2
_NOT_FOR_WORKERS = ("PREFECT_", "MLFLOW_", "DVC_", "RAY_")
"""A job does not depend on the orchestration; an inherited MLFLOW_RUN_ID or Prefect context would mislead it."""


class WorkerEndedError(Exception):
    """The worker's process is gone; the text says how it ended. `told` says that somebody had told it to stop."""

    def __init__(self, how: str, told: bool = False) -> None:
        super().__init__(how)
        self.told = told


class Worker:
    """The process of one slot. One thread at a time uses it, except that `hang_up` and `kill` may come from any."""

    def __init__(self, slot: Slot, command: Sequence[str], logs: Path | None) -> None:
        self.slot = slot
        self._command = command
        self._log = logs / f"{slot.name}.log" if logs else None
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._ready = False
        self.busy = False

    def start(self) -> None:
        """Start the process unless it is alive, without waiting until it is ready. Raises `UserError` if the system refuses."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.close()
        env = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_FOR_WORKERS)}
        try:
            if self._log:
                self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") if self._log else nullcontext() as stderr:
                # close_fds (the default) matters: a sibling that holds this pipe open would hide its end of file.
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=env | dict(self.slot.env),
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as error:
            reason = f"{error.filename or self._command[0]}: {error.strerror}"
            raise UserError(
                f"the worker of slot {self.slot.name} cannot be started ({reason}); {way_to_write(error)}."
            ) from error
        self._received, self._ready = b"", False

    def wait_ready(self) -> None:
        """Wait until the process has imported everything. Raises `WorkerEndedError`."""
        if self._ready:
            return
        try:
            self._receive("ready", True, time.monotonic() + START_LIMIT_S)
        except TimeoutError as error:
            self.close()
            raise WorkerEndedError(f"was not ready within {START_LIMIT_S:g} s") from error
        self._ready = True

    def do(self, run_dir: Path, limit_s: float) -> dict[str, Any]:
        """Let the process do one run and return its answer. Raises `WorkerEndedError`, `TimeoutError`."""
        deadline = time.monotonic() + limit_s
        self.busy = True
        try:
            with suppress(BrokenPipeError, ValueError):  # the process has ended, or was hung up on: reading reports it
                self._pipe("stdin").write(json.dumps({"run_dir": str(run_dir)}).encode() + b"\n")
            return self._receive("run_dir", str(run_dir), deadline)
        finally:
            self.busy = False

    def hang_up(self) -> None:
        """Close the process's standard input, at which it saves its run and ends."""
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()

    def kill(self, patience_s: float = 0.0) -> None:
        """End the process and everything that it started, after `patience_s` in which it may end by itself; idempotent."""
        process = self._process
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End the process and close its pipes; only for the thread that uses this worker."""
        self.kill()
        self.hang_up()
        if self._process is not None:
            self._pipe("stdout").close()
        self._process = None

    def last_words(self) -> str:
        """The last part of the process's standard error, empty if that does not go to a file."""
        if self._log is None or not self._log.is_file():
            return ""
        return self._log.read_bytes()[-4000:].decode(errors="replace").strip()

    def _receive(self, key: str, value: object, deadline: float) -> dict[str, Any]:
        """The next message whose `key` is `value`; anything else on standard output is ignored."""
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if not newline:
                self._read_more(deadline)
                continue
            self._received = rest
            message = _json_object(line)
            if message.get(key) == value:
                return message

    def _read_more(self, deadline: float) -> None:
        stdout = self._pipe("stdout").fileno()
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        # Wake up now and then, because a child of the process can outlive it and hold its standard output open.
        if poll.poll(1000 * min(_POLL_S, remaining)):
            chunk = os.read(stdout, 65536)
            self._received += chunk
            if chunk:
                return
        elif self._process is not None and self._process.poll() is None:
            return
        how = self._how_it_ended()
        raise WorkerEndedError(how, told=self._process is not None and self._process.returncode == STOPPED)

    def _how_it_ended(self) -> str:
        self.kill(patience_s=1.0)
        code = self._process.returncode if self._process else 0
        if code == STOPPED:
            return "was told to stop"
        if code >= 0:
            return f"exited with code {code}"
        hint = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return f"died of {signal.Signals(-code).name}{hint}"

    def _pipe(self, name: Literal["stdin", "stdout"]) -> Any:
        if self._process is None:
            raise WorkerEndedError("was not started")
        return getattr(self._process, name)


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
