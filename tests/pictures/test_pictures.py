"""The pictures of the documentation: small, all of them shown, and a terminal's in its colours."""

import re
import subprocess
import sys
from pathlib import Path

from tests.pictures.canvas import FOLDER, terminal_lines
from tests.pipelines.terminal import Screen

ROOT = Path(__file__).parents[2]


def test_every_picture_is_shown_somewhere_and_all_of_them_are_small() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {name for page in pages for name in re.findall(r"\]\([./a-z]*pictures/([\w-]+\.png)\)", page.read_text("utf-8"))}
    taken = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert shown == set(taken)
    assert sum(taken.values()) < 3_000_000


def test_a_picture_of_a_terminal_has_its_colours_and_cuts_nothing_off() -> None:
    screen = Screen(20, 3)
    screen.write("gone\r\n\x1b[1;32mdone\x1b[0m <b>\r\n\x1b[38;5;237m━━\x1b[0m 3/8\r\nlong\r\x1b[2Klast")
    head, *rows = terminal_lines(screen, "m2pt study").splitlines()
    assert "$ m2pt study" in head
    assert rows[0] == '<span style="font-weight: bold; color: #98c379">done</span><span style=""> &lt;b&gt;</span>'
    assert rows[1] == '<span style="color: rgb(58, 58, 58)">━━</span><span style=""> 3/8</span>'
    assert rows[2] == '<span style="">last</span>'


def test_what_the_command_lacks_is_said_in_one_sentence() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.pictures", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said == "make pictures: error: nothing is no picture; the names are report, terminal, dvc, mlflow, prefect."
