"""A group of processes ends with what started it: in order after one interrupt, at once after a second one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.terminal import Terminal
from tests.waiting import PATIENCE_S, comes_true

ROOT = Path(__file__).parents[3]

PROGRAM = """
import signal, subprocess, sys
from pipelines.execution import interrupts
from pipelines.execution.groups import group
signal.signal(signal.SIGINT, interrupts.interrupt)
try:
    with group([sys.executable, "-c", sys.argv[1]], signal.SIGINT, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        print("started", process.pid, flush=True)
        process.wait()
except KeyboardInterrupt:
    print("in order")
"""
OBEYS = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)"
STUBBORN = OBEYS.replace("SIG_DFL", "SIG_IGN")
IN_ORDER_S = 10.0
"""How long a group may take to end in order."""


def started(program: str) -> tuple[Terminal, int]:
    """A program in a terminal that leads a group, and the process that it leads."""
    terminal = Terminal([sys.executable, "-c", PROGRAM, program], env={"PYTHONPATH": str(ROOT)})
    words = terminal.until(lambda screen: "started " in screen.text and screen.column == 0, PATIENCE_S).text.split()
    return terminal, int(words[words.index("started") + 1])


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_interrupt_ends_it_in_order():
    terminal, process = started(OBEYS)
    terminal.press(b"\x03")
    assert terminal.end() == 0
    assert terminal.screen.text.splitlines()[-1].endswith("in order")
    assert not is_alive(process)


def test_a_second_interrupt_ends_it_at_once():
    terminal, process = started(STUBBORN)
    terminal.press(b"\x03")
    assert terminal.until(lambda screen: "^C" in screen.text)
    time.sleep(0.5)
    begun = time.monotonic()
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert time.monotonic() - begun < IN_ORDER_S - 2
    text = terminal.screen.text
    assert "m2pt: interrupted." in text
    assert not any(words in text for words in ("Traceback", "in order"))
    assert comes_true(lambda: not is_alive(process))


END = """
import atexit, sys
from pipelines.execution.quick_end import QuickEnd
end = QuickEnd()
class Slow:
    def __del__(self): print("freed")
kept = Slow()
atexit.register(print, "done at exit")
end.code = {code}
sys.exit(7)
"""


@pytest.mark.parametrize(("code", "status", "said"), [(5, 5, ["done at exit"]), (None, 7, ["done at exit", "freed"])])
def test_a_quick_end_does_what_was_to_be_done_at_exit_and_frees_nothing(code: int | None, status: int, said: list[str]):
    words = [sys.executable, "-c", END.format(code=code)]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (status, said, "")
