"""The credentials of this project's Prefect server, and what tells its server from another one.

Without credentials a server on the loopback interface takes requests of every user of the machine.
"""

import base64
import http.client
import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from m2pt.config import UserError
from pipelines.tracking.address import without_password

API_URL = "PREFECT_API_URL"
AUTH = "PREFECT_API_AUTH_STRING"
SERVER_AUTH = "PREFECT_SERVER_API_AUTH_STRING"
SHARED = "M2PT_SHARED_PREFECT"
"""Set to 1, it says that a server of another project on this machine is to be used."""

_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def password_file() -> Path:
    """The file of the name and the password, which only its owner can read."""
    return _home() / "password"


def auth_string() -> str:
    """The name and the password of this project's server (`m2pt:...`), or those that the user has set; made at the first call.

    Raises:
        UserError: the file cannot be written or read.

    """
    if given := os.environ.get(SERVER_AUTH):
        return given
    path = password_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            kept = path.read_text(encoding="utf-8").strip()
            if not kept.partition(":")[2]:
                raise UserError(f"{path}: holds no NAME:PASSWORD; delete it to have a new one made.") from None
            return kept
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(made := f"m2pt:{secrets.token_urlsafe(24)}")
        return made
    except OSError as error:
        raise UserError(f"{path}: cannot be used ({error.strerror}); check the permissions of its folder.") from error


def write_environment(api_url: str) -> Path:
    """Write what a shell needs to reach this project's server with Prefect's own commands; returns the file to read there."""
    path = _home() / "server.env"
    variables = {"PREFECT_HOME": str(_home()), API_URL: api_url, AUTH: auth_string()}
    variables |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "true"}
    lines = "".join(f"export {name}={_quoted(value)}\n" for name, value in variables.items())
    path.unlink(missing_ok=True)  # an existing file would keep its permissions
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(lines)
    return path


def require_own(api_url: str) -> None:
    """Refuse a server on this machine that belongs to another project: what is deployed there would run there.

    A server is a project's own if its home is (`PREFECT_HOME`). A server on another machine is shared by whoever names it.

    Raises:
        UserError: the address holds a password, no Prefect server answers, it refuses our credentials, or it is another
            project's.

    """
    if (shown := without_password(api_url)) != api_url:
        # urllib would ask for a host of that name, and Prefect would write it into its pages and logs.
        raise UserError(
            f"{API_URL}: holds a name or a password; set it to {shown} alone, and {AUTH} to NAME:PASSWORD, which nothing prints."
        )
    status, home = _home_of(api_url)
    way_out = f"unset {API_URL} to have a server of this project's own"
    if status in (401, 403):
        raise UserError(
            f"{API_URL}: the Prefect server at {api_url} refuses this project's credentials, so it may be another project's; "
            f"set {AUTH} to its NAME:PASSWORD, or {way_out}."
        )
    if status != 200 or home is None:
        raise UserError(f"{API_URL}: no Prefect server answers at {api_url}; start it, or unset it to have a local one.")
    if os.environ.get(SHARED) == "1" or not _is_here(api_url) or home == _home():
        return
    raise UserError(
        f"{API_URL}: the Prefect server at {api_url} is another project's (its home is {home}, ours {_home()}); {way_out}, or "
        f"set {SHARED}=1 to use that one on purpose."
    )


def is_own(api_url: str) -> bool:
    """Whether the server at this address is on this machine and of this project."""
    return _is_here(api_url) and _home_of(api_url)[1] == _home()


def _is_here(api_url: str) -> bool:
    return urllib.parse.urlsplit(api_url).hostname in _LOOPBACK


def _home_of(api_url: str) -> tuple[int, Path | None]:
    """The status of a server's answer, and its home."""
    status, document = _ask(f"{api_url}/admin/settings")
    home = document.get("home")
    return status, Path(home).resolve() if isinstance(home, str) else None


def answers(api_url: str) -> bool:
    """Whether a Prefect server answers at this address."""
    return _ask(f"{api_url}/health", timeout_s=2)[0] == 200


def _ask(address: str, timeout_s: float = _TIMEOUT_S) -> tuple[int, dict[str, object]]:
    """The status of a request with our credentials (0: no answer), and the JSON object in its answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(address)
        if given := os.environ.get(AUTH):
            request.add_header("Authorization", f"Basic {base64.b64encode(given.encode()).decode()}")
        with opener.open(request, timeout=timeout_s) as response:
            document = json.loads(response.read())
            return response.status, document if isinstance(document, dict) else {}
    except urllib.error.HTTPError as error:
        return error.code, {}
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}


def _home() -> Path:
    return Path(os.environ["PREFECT_HOME"]).resolve()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
