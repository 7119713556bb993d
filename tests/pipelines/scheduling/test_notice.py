"""A webhook and a command are told how a sweep ended; both are real here, on this machine."""

import base64
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from m2pt.config import UserError
from pipelines.scheduling.notice import COMMAND, URL, Notice, require_usable, tell
from tests.answering import answering

PYTHON = shlex.quote(sys.executable)  # its path may have a space

NOTICE = Notice("tiny", "failed", "1 of 2 fine-tuning runs are complete, 1 failed", "file:///reports/index.html", "http://page")
SENT = {
    "study": "tiny",
    "state": "failed",
    "message": "1 of 2 fine-tuning runs are complete, 1 failed",
    "report": "file:///reports/index.html",
    "page": "http://page",
    "text": "tiny: failed. 1 of 2 fine-tuning runs are complete, 1 failed. Report: file:///reports/index.html",
}


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook: its address, which has a secret in it, and what it has received."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body) | {"path": self.path, "type": self.headers["Content-Type"]})
            if "Authorization" in self.headers:
                received[-1]["credentials"] = self.headers["Authorization"]
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/SECRET", received
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(URL, raising=False)
    monkeypatch.delenv(COMMAND, raising=False)


def test_a_webhook_is_told(monkeypatch: pytest.MonkeyPatch):
    warned: list[str] = []
    with receiver() as (address, received):
        monkeypatch.setenv(URL, address)
        tell(NOTICE, warned.append)
    assert received == [SENT | {"path": "/hook/SECRET", "type": "application/json"}]
    assert warned == []


@pytest.mark.parametrize("name", ["hook:SECR%3AET@", "hook@"])
def test_a_name_and_a_password_in_the_address_of_a_webhook_are_its_credentials(monkeypatch: pytest.MonkeyPatch, name: str):
    """As of an address for curl: RFC 7617, the base64 of NAME:PASSWORD."""
    warned: list[str] = []
    with receiver() as (address, received):
        monkeypatch.setenv(URL, address.replace("http://", f"http://{name}"))
        require_usable()
        tell(NOTICE, warned.append)
    given = {"hook:SECR%3AET@": b"hook:SECR:ET", "hook@": b"hook:"}[name]
    assert [notice["credentials"] for notice in received] == [f"Basic {base64.b64encode(given).decode()}"]
    assert warned == []


def test_the_path_of_a_webhook_may_have_any_letter(monkeypatch: pytest.MonkeyPatch):
    warned: list[str] = []
    with receiver() as (address, received):
        monkeypatch.setenv(URL, f"{address}/caf\u00e9%20x?to=\u03bb&a=1")
        require_usable()
        tell(NOTICE, warned.append)
    assert [notice["path"] for notice in received] == ["/hook/SECRET/caf%C3%A9%20x?to=%CE%BB&a=1"]
    assert warned == []


def test_a_command_is_told_without_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    script = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    told, warned = tmp_path / "$HOME; told", list[str]()
    monkeypatch.setenv(COMMAND, f"{PYTHON} -c '{script}' '{told}'")
    tell(NOTICE, warned.append)
    assert json.loads(told.read_text()) == SENT
    assert warned == []


def test_what_a_command_leaves_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    told, left, warned = tmp_path / "told", tmp_path / "left", list[str]()
    monkeypatch.setenv(COMMAND, f"sh -c 'cat > {told}; sleep 100 & echo $! > {left}'")
    begun = time.monotonic()
    tell(NOTICE, warned.append)
    assert time.monotonic() - begun < 10
    os.kill(int(left.read_text()), signal.SIGKILL)  # it was not stopped either
    assert json.loads(told.read_text()) == SENT
    assert warned == []


def test_nobody_is_told_without_an_address():
    tell(NOTICE, pytest.fail)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program --token SECRET", "M2PT_NOTIFY_COMMAND: no-such-program cannot be started (No such file or directory)"),
        (f"{PYTHON} -c 'exit(3)' SECRET", f"M2PT_NOTIFY_COMMAND: {sys.executable} ended with exit code 3."),
        ("tell 'SECRET", "M2PT_NOTIFY_COMMAND: has a quotation mark without its partner; correct the command."),
    ],
)
def test_a_command_that_fails_is_a_warning_without_its_arguments(monkeypatch: pytest.MonkeyPatch, command: str, sentence: str):
    warned: list[str] = []
    monkeypatch.setenv(COMMAND, command)
    tell(NOTICE, warned.append)
    (warning,) = warned
    assert warning.startswith(sentence)
    assert "SECRET" not in warning


def test_a_webhook_that_fails_is_a_warning_that_names_its_host_alone(monkeypatch: pytest.MonkeyPatch):
    warned: list[str] = []
    with receiver(status=404) as (address, _):
        monkeypatch.setenv(URL, address)
        tell(NOTICE, warned.append)
    tell(NOTICE, warned.append)  # nobody listens any more
    assert warned == [
        "M2PT_NOTIFY_URL: the webhook at 127.0.0.1 refused the notice (HTTP 404); check the address.",
        "M2PT_NOTIFY_URL: the webhook at 127.0.0.1 could not be told (Connection refused); check the address and the network.",
    ]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "did not answer as a web server does; check the address."),
        (b"", "did not answer as a web server does; check the address."),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "refused the notice (HTTP 500); check the address."),
        # Followed, it would be a request without the notice to another page, which looks like a success.
        (b"HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "refused the notice (HTTP 302); check the address."),
    ],
)
def test_what_is_no_webhook_is_a_warning(monkeypatch: pytest.MonkeyPatch, answer: bytes, sentence: str):
    warned: list[str] = []
    with answering(answer) as address:
        monkeypatch.setenv(URL, f"{address}/hook/SECRET")
        tell(NOTICE, warned.append)
    assert warned == [f"M2PT_NOTIFY_URL: the webhook at 127.0.0.1 {sentence}"]


def test_a_webhook_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch):
    """Each of its letters comes in time."""
    warned: list[str] = []
    monkeypatch.setattr("pipelines.scheduling.notice._LIMIT_S", 1.0)
    with answering(b"HTTP/1.1 200 OK\r\nX: " + 100 * b"x", 0.1) as address:
        monkeypatch.setenv(URL, f"{address}/hook/SECRET")
        begun = time.monotonic()
        tell(NOTICE, warned.append)
    assert time.monotonic() - begun < 5
    assert warned == ["M2PT_NOTIFY_URL: the webhook at 127.0.0.1 did not answer within 1 s; check the address."]


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example.org/SECRET", "file:///etc/passwd", "https:///SECRET", "http://[SECRET", "http://hook:SECRET@", "http://@/SECRET",
        "http://h:99999/SECRET", "http://h:0/SECRET", "http://h:abc/SECRET", "http://hook:SECRET@h:abc/", "http://a..b/SECRET",
        "http://h h/SECRET", "http://h/SEC RET", "http://h/SECRET\n", "http://h\n/SECRET", "http://h/\x01SECRET", "http://h/SECRET\udcff",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv(URL, address)
    with pytest.raises(UserError, match=f"{URL}: is no address of a webhook") as refused:
        require_usable()
    assert "SECRET" not in str(refused.value)
    warned: list[str] = []
    tell(NOTICE, warned.append)
    assert warned == [str(refused.value)]
