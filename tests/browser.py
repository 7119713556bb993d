"""A real browser for tests: Chromium without a window, driven by its own DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60.0


class Tab:
    """One page of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        self._last += 1
        self._connection.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=_SECONDS))
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression in the page; what it promises is waited for."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, address: str, width: int = 1440, height: int = 900) -> None:
        """Open a page in a window of this size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.ask("Page.navigate", url=address)
        end = time.monotonic() + _SECONDS
        while not self.run(f"location.href.split('#')[0] === {json.dumps(address)} && document.readyState === 'complete'"):
            assert time.monotonic() < end, f"{address} was not loaded in {_SECONDS} s"
            time.sleep(0.05)

    def enter(self, address: str, auth: str) -> None:
        """Give a site its NAME:PASSWORD, as one does when it asks; the browser then gives them to all of its pages."""
        scheme, _, place = address.partition("://")
        assert "errorText" not in (answer := self.ask("Page.navigate", url=f"{scheme}://{auth}@{place}")), answer

    def media(self, kind: str = "", **features: str) -> None:
        """Look at the page as paper does (`print`), or with features such as `prefers_color_scheme`."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", media=kind, features=wanted)

    def scripts(self, *, allowed: bool) -> None:
        """Whether pages that are opened from now on may run scripts of their own."""
        self.ask("Emulation.setScriptExecutionDisabled", value=not allowed)

    def picture(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser with its profile in `folder` and without network; skips the test where none is installed."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser is installed; looked for {', '.join(BROWSERS)}")
    command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"]
    command += [f"--user-data-dir={folder}", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(folder, process), max_size=None, proxy=None) as connection:
            yield Tab(connection)
    finally:
        process.terminate()
        process.wait(timeout=_SECONDS)


def _address(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where the first tab of a browser answers."""
    from urllib.request import urlopen

    end, file = time.monotonic() + _SECONDS, folder / "DevToolsActivePort"
    while not (file.is_file() and file.read_text().count("\n")):
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        assert time.monotonic() < end, f"the browser did not answer in {_SECONDS} s"
        time.sleep(0.05)
    port = file.read_text().split()[0]
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_SECONDS) as answer:
        tabs = json.load(answer)
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
