"""A program on a port of this machine that gives any answer, for what is not the server that one looked for."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def answering(words: bytes, then_s: float = 0.0) -> Iterator[str]:
    """Answer each request with words, a letter each `then_s` seconds, and close the connection; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_answer, args=(listener, words, then_s), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _answer(listener: socket.socket, words: bytes, then_s: float) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                _read(connection)
                for letter in words:
                    connection.send(bytes([letter]))
                    time.sleep(then_s)


def _read(connection: socket.socket) -> None:
    """Read a request to its end; closed before that, a connection would be reset."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += connection.recv(65536)
    head, _, body = asked.partition(b"\r\n\r\n")
    lengths = [int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
