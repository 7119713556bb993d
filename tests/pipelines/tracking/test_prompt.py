"""Answers in two pieces, of which a server sends the second when the first is acknowledged."""

import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from urllib3.connection import HTTPConnection

from pipelines.tracking.prompt import PromptConnection

_REQUESTS = 12


@pytest.fixture
def port() -> Iterator[int]:
    """A server as MLflow's with several processes: it lets the system wait before it sends a small piece."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as requests:
                    while requests.readline():
                        while requests.readline().strip():
                            pass
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                        connection.sendall(b"{}")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _seconds(connection: HTTPConnection) -> float:
    taken = []
    for _ in range(_REQUESTS):
        began = time.perf_counter()
        connection.request("GET", "/")
        assert connection.getresponse().data == b"{}"
        taken.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(taken)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux acknowledges late and can be told not to")
def test_no_answer_waits_for_its_second_piece(port: int) -> None:
    plain, prompt = _seconds(HTTPConnection("127.0.0.1", port)), _seconds(PromptConnection("127.0.0.1", port))
    assert plain > 0.03, "the server does not wait, so that this shows nothing"
    assert prompt < plain / 2
