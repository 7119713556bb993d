"""The address of a server as it may be shown: without the name, the password and the query that it may hold."""

import re

_ADDRESS = re.compile(r"\b[\w+.-]+://\S+")
_SCHEME = re.compile(r"([\w+.-]+:/{1,2})?")
_FILES = re.compile(r"(sqlite|file):|[./~]")
"""How an address that is a path of this machine begins: it holds no secret, and may hold an `@` and a `?`."""


def without_password(address: str) -> str:
    """The address without what stands before its last `@` and after its `?`; also if its scheme is missing or misspelt.

    The last one, because a password may hold, although it should not, what ends the place of a server: `/`, `#`, `?`, `@`.
    """
    if _FILES.match(address):
        return address
    scheme = found[0] if (found := _SCHEME.match(address)) else ""
    return scheme + re.split("[?#]", address[len(scheme) :].rpartition("@")[2])[0]


def masked(text: str, address: str = "") -> str:
    """A text in which every address is one that may be shown; `address` is one that it may hold, whatever is in that."""
    if address:
        text = text.replace(address, without_password(address))
    return _ADDRESS.sub(lambda one: without_password(one[0]), text)
