"""Ctrl-C, pressed in a terminal at any time: it ends the command, with a sentence and no traceback."""

import os
import sys
from pathlib import Path

import pytest

from tests.pipelines.terminal import Screen, Terminal

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


@pytest.mark.parametrize("words", ["loading the libraries", "starting Prefect's server", "1/4"])
def test_a_study_ends_in_order(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, words: str) -> None:
    home = tmp_path_factory.getbasetemp() / "prefect-home"  # making its database takes many seconds
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))}
    env = kept | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    terminal = Terminal([sys.executable, "-m", "pipelines", "study", "--study", str(SMOKE)], cwd=tmp_path, env=env)

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
