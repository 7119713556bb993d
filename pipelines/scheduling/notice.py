"""Tells a webhook, a command, or both, how a sweep ended.

The environment says where to, not the study file: the address of a webhook is often a secret, and study files are shared.
"""

import base64
import http.client
import json
import os
import re
import shlex
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from m2pt.config import UserError
from pipelines.scheduling.credentials import API_URL
from pipelines.tracking.address import without_password

URL = "M2PT_NOTIFY_URL"
"""The address of a webhook; it is sent the notice as JSON."""

COMMAND = "M2PT_NOTIFY_COMMAND"
"""A command; it is given the notice as JSON on its standard input."""

_LIMIT_S = 20.0
_HOST = re.compile(r"[\w.:%-]+", re.ASCII)
_PRINTED = re.compile(r"[^\s\x00-\x1f\x7f]+")
_KEPT = "/%:@!$&'()*+,;=?~"
"""Characters that mean something in a path or a query; every other one that is no ASCII letter or digit is percent-encoded."""

Ended = Literal["complete", "failed", "cancelled", "budget spent"]


@dataclass(frozen=True)
class Notice:
    """How a sweep ended: `report` is the address of its report (empty: none), `page` that of its flow run on Prefect's pages.

    `text` says all of it in one line, in the key from which chat services take a message.
    """

    study: str
    state: Ended
    message: str
    report: str
    page: str

    @property
    def text(self) -> str:
        """The notice in one line."""
        report = f" Report: {self.report}" if self.report else ""
        return f"{self.study}: {self.state}. {self.message.rstrip('.')}.{report}"


def require_usable() -> None:
    """Raise `UserError` if the address or the command cannot be one; neither is shown, as it may hold a secret."""
    if given := os.environ.get(URL):
        try:
            _request(given, "")
        except ValueError:
            raise UserError(
                f"{URL}: is no address of a webhook; it begins with https:// or http:// and a host, has no port or one from 1 to "
                "65535, and holds no space or line break."
            ) from None
    try:
        words = shlex.split(os.environ.get(COMMAND, ""))
    except ValueError:
        raise UserError(f"{COMMAND}: has a quotation mark without its partner; correct the command.") from None
    if os.environ.get(COMMAND) and not words:
        raise UserError(f"{COMMAND}: holds no command; name one, or unset it.")


def _request(given: str, document: str) -> urllib.request.Request:
    """What is sent to a webhook. A name and a password in its address (NAME:PASSWORD@HOST) are credentials, not part of the host.

    Raises:
        ValueError: the address can be none. Python would take credentials for a part of the host, and look its name up.

    """
    address = urllib.parse.urlsplit(given)
    host = (address.hostname or "").encode("idna").decode()  # the name of a host in other letters, as the network has it
    if address.scheme not in ("http", "https") or not _HOST.fullmatch(host) or address.port == 0 or not _PRINTED.fullmatch(given):
        raise ValueError
    place = (f"[{host}]" if ":" in host else host) + ("" if address.port is None else f":{address.port}")
    path, query = (urllib.parse.quote(part, safe=_KEPT) for part in (address.path, address.query))
    request = urllib.request.Request(urllib.parse.urlunsplit((address.scheme, place, path, query, "")), document.encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("User-Agent", "m2pt")
    if address.username is not None:
        pair = f"{urllib.parse.unquote(address.username)}:{urllib.parse.unquote(address.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request


def tell_end(
    study: str, state: State[Any], out: Path | None, warn: Callable[[str], object], ended_run: UUID | None = None
) -> None:
    """Send the notice of how a flow run ends (none: the present one); `out` is the folder of the study's report."""
    ended: Ended = "complete" if state.is_completed() else "cancelled" if state.is_cancelled() else "failed"
    pages = without_password(os.environ.get(API_URL, "")).removesuffix("/api")
    this = ended_run or flow_run.get_id()
    page = f"{pages}/runs/flow-run/{this}" if pages and this else ""
    index = None if out is None else (out / "index.html").resolve()
    report = index.as_uri() if index is not None and index.is_file() else ""
    tell(Notice(study, "budget spent" if state.name == "BudgetSpent" else ended, state.message or "", report, page), warn)


def tell(notice: Notice, warn: Callable[[str], object]) -> None:
    """Send a notice to where the environment says; a fault is a warning in one sentence, which holds no secret."""
    document = json.dumps(asdict(notice) | {"text": notice.text})
    try:
        require_usable()
    except UserError as error:
        warn(str(error))
        return
    if address := os.environ.get(URL):
        _post(address, document, warn)
    if command := os.environ.get(COMMAND):
        _run(shlex.split(command), document, warn)


def _post(address: str, document: str, warn: Callable[[str], object]) -> None:
    where = f"{URL}: the webhook at {urllib.parse.urlsplit(address).hostname}"
    faults: list[str] = []
    # In a thread, as the limit of a connection is one for each of its bytes.
    sender = threading.Thread(target=lambda: faults.extend(_faults(address, document)), name="notice", daemon=True)
    sender.start()
    sender.join(_LIMIT_S)
    if sender.is_alive():
        warn(f"{where} did not answer within {_LIMIT_S:g} s; check the address.")
    for fault in faults:
        warn(f"{where} {fault}")


class _NoOther(urllib.request.HTTPRedirectHandler):
    """A webhook that points elsewhere has not taken the notice: the request there would be one without it."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nowhere, so that the answer is an error."""


def _faults(address: str, document: str) -> Iterator[str]:
    """Send a document to a webhook; what was wrong, if anything was."""
    try:
        with urllib.request.build_opener(_NoOther).open(_request(address, document), timeout=2 * _LIMIT_S):
            return
    except urllib.error.HTTPError as error:
        yield f"refused the notice (HTTP {error.code}); check the address."
    except http.client.HTTPException:
        yield "did not answer as a web server does; check the address."
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        detail = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        yield f"could not be told ({detail}); check the address and the network."


def _run(words: list[str], document: str, warn: Callable[[str], object]) -> None:
    where = f"{COMMAND}: {words[0]}"
    try:
        # Its output goes nowhere: a pipe would be open, and waited for, until everything that it leaves behind has ended.
        nowhere = subprocess.DEVNULL
        done = subprocess.run(words, input=document.encode(), stdout=nowhere, stderr=nowhere, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        warn(f"{where} did not end within {_LIMIT_S:g} s and was stopped.")
    except OSError as error:
        warn(f"{where} cannot be started ({error.strerror}); give the path of a program and its arguments.")
    else:
        if done.returncode:
            warn(f"{where} ended with exit code {done.returncode}.")
