"""A server between a study and its MLflow that fails in one of the ways of servers, until it is told to work."""

import base64
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_SLOW_S = 0.4
_HOP = {"connection", "transfer-encoding", "content-length", "host", "server", "date"}
_FOR_EVER_S = 3600.0


@dataclass
class Broken:
    """How it fails (`error`, `reset`, `hang`, `hang after health`, `refuse`, `forbid`, `slow`, `gone after N`; `works`: not).

    What refuses says `words`, and what it was sent as a password, as servers and proxies do that help people too much.
    """

    fault: str
    behind: str
    address: str = ""
    served: int = 0
    words: str = "You are not authenticated."

    @property
    def fault_now(self) -> str:
        """What the next request meets."""
        if self.fault.startswith("gone after"):
            return "reset" if self.served >= int(self.fault.split()[-1]) else "works"
        return self.fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    broken: Broken

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault, health = self.broken.fault_now, self.path == "/health"
        self.broken.served += not health
        if fault == "hang" or (fault == "hang after health" and not health):
            deadline = time.monotonic() + _FOR_EVER_S
            while self.broken.fault == fault and time.monotonic() < deadline:
                time.sleep(0.1)
            self.close_connection = True
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif fault == "error":
            self._answer(500, b"<html>Internal Server Error</html>", {"Content-Type": "text/html"})
        elif fault in ("refuse", "forbid"):
            self._answer(200, b"OK", {}) if health else self._refuse(401 if fault == "refuse" else 403)
        else:
            time.sleep(_SLOW_S if fault == "slow" else 0)
            self._pass_on(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

    def _refuse(self, status: int) -> None:
        kind, _, sent = self.headers.get("Authorization", "").partition(" ")
        with suppress(ValueError):
            sent = base64.b64decode(sent).decode() if kind == "Basic" else sent
        self._answer(status, f"{self.broken.words} {sent}".encode(), {"WWW-Authenticate": 'Basic realm="mlflow"'})

    def _pass_on(self, body: bytes) -> None:
        place = urlsplit(self.broken.behind)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        self._answer(answer.status, answer.read(), kept)
        connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def broken_server(behind: str, fault: str) -> Iterator[Broken]:
    """A server at `address` that passes on what it does not fail at."""
    broken = Broken(fault, behind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"broken": broken}))
    server.daemon_threads, server.block_on_close = True, False
    broken.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield broken
    finally:
        broken.fault = "works"
        server.shutdown()
        server.server_close()
