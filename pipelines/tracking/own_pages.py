"""What keeps the pages of other origins, in the browser of the user, away from a server of this machine."""

from collections.abc import Iterable
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OwnPages:
    """Lets of all web pages only those of an application's own origin use it; `origins` are its names.

    A browser sends a password that it knows along with the requests of any page, so that the password alone would not do. It says
    which page asks: in `Origin`, which a picture or a script that a page loads lacks, and in `Sec-Fetch-Site` (W3C, Fetch
    Metadata Request Headers). A link on another page may still be followed; that page does not see where it leads. What the
    browser has kept in its cache it shows to no other origin because of `Cross-Origin-Resource-Policy` (WHATWG, Fetch).
    """

    def __init__(self, application: ASGIApp, origins: Iterable[str]) -> None:
        self._application = application
        self._origins = {origin.encode() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan" or not self._is_of_others(dict(scope["headers"])):
            await self._application(scope, receive, partial(_send_for_own, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refuse(send, 403, "This server answers to its own pages alone.")

    def _is_of_others(self, headers: dict[bytes, bytes]) -> bool:
        if (origin := headers.get(b"origin")) is not None:
            return origin not in self._origins
        follows_link = (headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")) == (b"navigate", b"document")
        return headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not follows_link


async def _send_for_own(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*message.get("headers", ()), (b"cross-origin-resource-policy", b"same-origin")]
    await send(message)


async def refuse(send: Send, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer a request with a sentence."""
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind, *headers]})
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})
