"""The address of a server as it may be shown: without the name and the password that it may hold."""

import re


def without_password(address: str) -> str:
    """The address without what stands before an `@` in the place of its server; also if its scheme is missing or misspelt."""
    return re.sub(r"^([\w+.-]+:/{1,2})?[^/?#]*@", r"\1", address)
