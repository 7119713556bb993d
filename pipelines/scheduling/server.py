"""A local Prefect server on the loopback interface that lives exactly as long as the process that started it.

The server's process ends when its standard input closes, however its parent ends (`pipelines.tracking.loopback`).
Prefect's own temporary server would survive a SIGKILL of its parent, and it has no pages to look at.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from m2pt.config import UserError
from m2pt.files.locks import locked
from pipelines.execution.log_files import log_file
from pipelines.scheduling.credentials import API_URL, AUTH, SERVER_AUTH, answers, auth_string, require_own
from pipelines.tracking.loopback import HOST

OWN = "M2PT_PREFECT"
"""Holds the address of the server that this command, or the one that started it, has started."""

NONE = "none"
"""As `OWN`: that command could have no server, so that the commands which it starts do not try to have one."""

_HIGHEST_PORT = 65535
_START_LIMIT_S = 180.0


def listen(preferred: int) -> socket.socket:
    """A socket that listens on port `preferred`, or on one that the system chooses if that is taken or 0."""
    if not 0 <= preferred <= _HIGHEST_PORT:
        raise UserError(f"--port: {preferred} is no port; give a number from 1 to {_HIGHEST_PORT}, or 0 for any free one.")
    for port in (preferred, 0):
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
            listener.listen(100)
        except OSError:
            listener.close()
        else:
            return listener
    raise UserError(f"there is no free port on {HOST}; stop a process that uses one.")


class ServerEndedError(UserError):
    """The command that waits for its server has ended it."""


class Used(Protocol):
    """The server that a command uses."""

    def ready(self) -> str:
        """Wait until the server answers; returns the address of its API. Raises `UserError`, also if it is another project's."""

    def require_running(self) -> None:
        """Raise `UserError` if it is the command's own server, and has ended."""


class LocalServer:
    """Starts a Prefect server without waiting for it; `ready` waits. Leaving the context ends it.

    `schedules` says whether it also turns schedules into runs.
    """

    def __init__(self, log: Path, port: int = 4200, schedules: bool = False) -> None:
        self.log = log
        self._closing = False
        self._guard = threading.Lock()
        self.auth = auth_string()
        # One server at a time makes or migrates the database; the lock is held until this one answers.
        self._turn = ExitStack()
        self._turn.enter_context(locked(Path(os.environ["PREFECT_HOME"]) / "server.lock"))
        # The server inherits the socket, so that no other process can take this address in the meantime.
        with listen(port) as listener:
            self._port = int(listener.getsockname()[1])
            self.api_url = f"http://{HOST}:{self._port}/api"
            self._process = self._start(listener.fileno(), schedules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ready(self) -> str:
        """Wait until the server answers; returns the address of its API.

        Raises:
            ServerEndedError: it was ended in the meantime.
            UserError: it ended or did not answer in time; the sentence names its log.

        """
        try:
            return self._answering()
        finally:
            self._end_turn()  # also of one that hangs: others may have their own try

    def _end_turn(self) -> None:
        with self._guard:
            self._turn.close()

    def _answering(self) -> str:
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._closing and not answers(self.api_url):
            if self._process.poll() is not None and not self._closing:
                raise UserError(f"the local Prefect server ended at its start; {self.log} says why.")
            if time.monotonic() > deadline:
                raise UserError(f"the local Prefect server did not answer within {_START_LIMIT_S:.0f} s; {self.log} may say why.")
            time.sleep(0.05)
        if self._closing:
            raise ServerEndedError("the local Prefect server was ended before it answered.")
        return self.api_url

    def require_running(self) -> None:
        """Raise `UserError` if the server has ended by itself."""
        if self._process.poll() is not None:
            raise UserError(f"the local Prefect server ended by itself; {self.log} may say why.")

    def close(self) -> None:
        """End the server; a second call does nothing."""
        self._closing = True
        self._end_turn()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, listener: int, schedules: bool) -> subprocess.Popen[bytes]:
        variables = self._safeguards() | {name: value for name, value in os.environ.items() if name not in (API_URL, AUTH)}
        variables |= {
            SERVER_AUTH: self.auth,
            "PREFECT_SERVER_UI_API_URL": self.api_url,
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": str(schedules).lower(),
            "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": str(schedules).lower(),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT__SERVER_FINAL": "1",
        }
        command = [sys.executable, "-m", "pipelines.scheduling.server_process", str(listener)]
        with log_file(self.log) as log:
            # Its own session: Ctrl-C in the terminal ends the server last, through its standard input.
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=variables,
                start_new_session=True,
                pass_fds=(listener,),
            )

    def _safeguards(self) -> dict[str, str]:
        """What keeps other users of the machine, and pages of other origins in the user's browser, away from the server."""
        return {
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{self._port},http://localhost:{self._port}",
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        }


@contextlib.contextmanager
def used(log: Path, port: int = 4200, schedules: bool = False) -> Iterator[Used]:
    """Let this process and its children use the server at `PREFECT_API_URL`, or a local one if that is not set.

    Import Prefect inside the context, once the server is ready.
    """
    if os.environ.get(API_URL):
        yield _Named()
        return
    with LocalServer(log, port, schedules) as server:
        kept = os.environ.get(AUTH)
        os.environ |= {API_URL: server.api_url, AUTH: server.auth, OWN: server.api_url}
        try:
            yield server
        finally:
            del os.environ[API_URL], os.environ[AUTH], os.environ[OWN]
            if kept is not None:
                os.environ[AUTH] = kept


def _listens(api_url: str) -> bool:
    """Whether a process listens at an address: a server does from its start on, before it answers."""
    address = urllib.parse.urlsplit(api_url)
    try:
        socket.create_connection((address.hostname or HOST, address.port or 80), timeout=2).close()
    except OSError:
        return False
    return True


def is_ours(api_url: str) -> bool:
    """Whether this command, or the one that started it, has started the server at this address."""
    return os.environ.get(OWN) == api_url


class _Named:
    """The server at `PREFECT_API_URL`, which others start and end; that of the command which started this one may be starting."""

    def ready(self) -> str:
        api_url = os.environ[API_URL].rstrip("/")
        deadline = time.monotonic() + _START_LIMIT_S
        while is_ours(api_url) and _listens(api_url) and not answers(api_url) and time.monotonic() < deadline:
            time.sleep(0.2)
        require_own(api_url)
        return api_url

    def require_running(self) -> None:
        pass
