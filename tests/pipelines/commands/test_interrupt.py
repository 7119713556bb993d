"""An interrupt while the command line is still importing ends it at once, without a traceback, with 130."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.commands.test_cli import STUDY

ROOT = Path(__file__).parents[3]


def started(folder: Path, *command: str) -> "subprocess.Popen[str]":
    (folder / "params.yaml").write_text(STUDY)
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_library(process: "subprocess.Popen[str]", name: str) -> None:
    """Wait until a process has mapped a compiled library: it is then in the middle of its imports."""
    until = time.monotonic() + 60
    while name not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None and time.monotonic() < until, f"{name} was never loaded"
        time.sleep(0.002)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has loaded is read from /proc")
@pytest.mark.parametrize("library", ["_posixsubprocess", "_pydantic_core"])
@pytest.mark.parametrize("command", ["plan", "sweep"])
def test_an_interrupt_during_the_imports_ends_quietly(tmp_path: Path, command: str, library: str):
    process = started(tmp_path, "-m", "pipelines", command)
    wait_for_library(process, library)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "interrupted" in err


ANOTHER_THREAD = """
import signal, subprocess, sys, threading, time
from pipelines.execution import interrupts
if sys.argv[1] == "heard":
    interrupts.heard()
def interrupt():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    time.sleep(5)
threading.Thread(target=interrupt, daemon=True).start()
start = time.monotonic()
try:
    subprocess.run(["sleep", "4"])
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - start < 3)
"""


@pytest.mark.parametrize(("start", "told"), [("heard", "True"), ("plain Python", "False")])
def test_an_interrupt_that_another_thread_receives_is_heard(tmp_path: Path, start: str, told: str):
    process = started(tmp_path, "-c", ANOTHER_THREAD, start)
    assert process.communicate(timeout=60)[0].split() == ["interrupted", told]
