"""Answers of a server that come in two pieces, without the 40 ms that Linux would wait between them.

A server of MLflow with several processes for requests sends the second piece of an answer only when the first is acknowledged
(https://github.com/Kludex/uvicorn/issues/3149), and Linux acknowledges late on a connection that has been used before.
"""

import socket

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.response import HTTPResponse


class PromptConnection(HTTPConnection):
    """A connection that acknowledges at once what comes next; the system forgets it after each answer."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3, which answers with its own
        """See `HTTPConnection`."""
        if self.sock is not None and hasattr(socket, "TCP_QUICKACK"):  # Linux alone has it
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super().getresponse()


def take_answers_at_once() -> None:
    """Use such connections in this process, wherever there is no TLS."""
    HTTPConnectionPool.ConnectionCls = PromptConnection
