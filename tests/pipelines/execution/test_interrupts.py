"""Ctrl-C, pressed in a terminal at any time: it ends the command, with a sentence and no traceback."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.scheduling.conftest import jobs, make_project, trains
from tests.pipelines.terminal import Screen, Terminal
from tests.waiting import comes_true

pytestmark = pytest.mark.patient

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "studies/smoke.yaml"

PROGRAM = """
import signal
from pipelines.execution import interrupts
signal.signal(signal.SIGINT, interrupts.interrupt)
try:
    import slow
    import time
    print("imported", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    import slow
    print("interrupted", slow.LAST)
"""
SLOW = "import time\nprint('importing', flush=True)\nfor _ in range(20): time.sleep(0.05)\nLAST = 'whole'\n"


def test_an_import_is_finished_first(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    terminal = Terminal([sys.executable, "-c", PROGRAM], cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    terminal.until(lambda screen: "importing" in screen.text)
    terminal.press(b"\x03")
    assert terminal.end() == 0
    assert terminal.screen.text.splitlines()[-1] == "interrupted whole"


def environment(factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's, with the home of Prefect that these tests share: making its database takes many seconds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    return kept | {"PREFECT_HOME": str(factory.getbasetemp() / "prefect-home"), "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("words", ["loading the libraries", "1/4"])
def test_a_study_ends_in_order(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, words: str) -> None:
    command = [sys.executable, "-m", "pipelines", "study", "--study", str(SMOKE)]
    terminal = Terminal(command, cwd=tmp_path, env=environment(tmp_path_factory))

    def is_there(screen: Screen) -> bool:
        return words in (screen.shown if "/" not in words else screen.text.partition("> encoders")[2])

    terminal.until(is_there, 200)
    terminal.press(b"\x03")
    assert terminal.end(120) == 130
    text = terminal.screen.text
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    assert any(line.startswith("m2pt: interrupted") for line in text.splitlines())
    assert not terminal.screen.hidden
    assert not terminal.screen.rows[terminal.screen.row]  # the prompt starts on a line of its own


def left_in(folder: Path) -> list[str]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


QUICK_S = 5.0
"""One to two seconds, and more on a busy machine. It was six to ten while Python freed its memory first."""


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("presses", [1, 2])
def test_training_ends_soon_and_keeps_its_checkpoint(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, presses: int):
    project = make_project(tmp_path, "slow", epochs=1_000_000)
    command = [sys.executable, "-m", "pipelines", "study", "--study", "slow.yaml"]
    terminal = Terminal(command, cwd=project, env=environment(tmp_path_factory))
    terminal.until(lambda _: trains(project), 300)
    begun = time.monotonic()
    terminal.press(b"\x03")
    if presses == 2:
        terminal.until(lambda screen: "ending the runs" in screen.text)
        terminal.press(b"\x03")
    assert terminal.end(120) == 130
    assert time.monotonic() - begun < QUICK_S
    text = terminal.screen.text
    assert any(line.startswith("m2pt: interrupted") for line in text.splitlines())
    assert not any(words in text for words in ("Traceback", "Exception ignored"))
    assert not terminal.screen.hidden
    assert not jobs(project)
    assert comes_true(lambda: not left_in(project), QUICK_S), left_in(project)
    assert list(project.glob("runs/slow/*/local/checkpoint.pt"))
