"""The process of a local Prefect server: `python -m pipelines.scheduling.server_process SOCKET`.

A module of its own because this process must not load m2pt.
"""

import sys
from typing import TYPE_CHECKING

from pipelines.tracking import loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def guarded() -> "ASGIApp":
    """Prefect's server, which answers to the names of this machine alone.

    Prefect has no setting for that. A page whose own name was made to point to this machine (DNS rebinding) would be of the same
    origin as the server; the name in its requests gives it away.
    """
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(create_app(), allowed_hosts=loopback.HOSTS)


if __name__ == "__main__":
    loopback.serve(guarded, int(sys.argv[1]))
