"""What a person sees while runs go on: read from the screen of a pseudo-terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.execution.display.pace import Mean, Pace
from pipelines.execution.display.view import about, duration
from tests.pipelines.terminal import Screen, Terminal

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("shown_runs.py")


def shown(case: str, columns: int = 80, lines: int = 40, **env: str) -> Terminal:
    command = [sys.executable, str(PROGRAM), case]
    return Terminal(command, columns, lines, env={"PYTHONPATH": str(ROOT)} | env)


def piped(case: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run([sys.executable, str(PROGRAM), case], capture_output=True, text=True, env=variables, check=True)


@pytest.mark.parametrize("columns", [60, 80, 110, 200])
def test_a_terminal_shows_phases_runs_and_scores_at_every_width(columns: int) -> None:
    terminal = shown("slowly", columns)
    middle = terminal.until(lambda screen: "2/12" in screen.shown and screen.shown.count("0:00") >= 3).shown.splitlines()
    bar = next(line for line in middle if line.startswith("> runs"))
    assert re.search(r"━+ +2/12 +0:0\d +about 5 min left$", bar)  # ten runs of 60 s, two at a time, less a moment
    below = middle[middle.index(bar) + 2 :]
    assert middle[middle.index(bar) + 1].strip() == "report"
    assert [re.fullmatch(r" {4}image-from-audio-random_auxiliary.*-s(\d) +0:00", line)[1] for line in below if line] == ["2", "3"]
    assert terminal.end() == 0
    lines = terminal.screen.text.splitlines()
    assert terminal.screen.widest <= columns - 3
    scored = [line for line in lines if line.endswith(("val 83.0 %, test 81.2 %", "val 83.0 %, test 81.2 %     1:01"))]
    assert [re.match(r" +(\d+)/12  image-from-audio.*-s(\d+) ", line).groups() for line in scored] == [
        (str(index + 1), str(index)) for index in range(12) if index not in (4, 5)
    ]
    assert any("4/4  audio-mae-s0" in line and "val loss 0.735" in line for line in lines)
    assert lines.count("study: 10 of 12 fine-tuning runs are complete, 2 failed.") == 1
    assert [line.split()[:3] for line in lines[-3:]] == [
        ["✓", "set", "up"],
        ["✓", "encoders", lines[-2].split()[2]],
        ["✗", "runs", lines[-1].split()[2]],
    ]
    assert lines[-1].endswith(" 2 failed")
    assert not terminal.screen.hidden


def test_failures_are_counted_while_others_go_on() -> None:
    terminal = shown("slowly")
    screen = terminal.until(lambda screen: "6/12" in screen.shown)
    (bar,) = [line for line in screen.shown.splitlines() if line.startswith("> runs")]
    assert bar.endswith(" 2 failed, 3 min")  # six runs of 60 s, two at a time
    terminal.press(b"\x03")
    assert terminal.end() == 130


def test_a_reason_is_told_once() -> None:
    terminal = shown("runs", 120)
    assert terminal.end() == 0
    assert terminal.screen.text.count("the moon was in the way.") == 1
    assert "full-s4: FAILED, the moon was in the way." in terminal.screen.text
    assert "full-s5: FAILED, for the same reason as 5/12" in terminal.screen.text


def test_no_colour_where_none_is_wanted() -> None:
    colours = []
    for env in ({}, {"NO_COLOR": "1"}):
        terminal = shown("runs", **env)
        assert terminal.end() == 0
        colours.append(terminal.screen.colours)
    assert "32" in colours[0]
    assert colours[1] == set()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    terminal = shown("runs", TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.raw
    assert terminal.raw.replace("\r\n", "\n") == piped("runs").stdout


def test_a_pipe_gets_lines() -> None:
    lines = piped("runs", FORCE_COLOR="1").stdout.splitlines()
    assert lines[:2] == ["study: pretraining runs: 1 of 4 to do.", "[4/4] audio-mae-s0: val loss 0.735 (12.3 s)"]
    assert lines[3] == "study: fine-tuning runs: 12 of 12 to do, about 6 min."
    assert lines[4] == "[1/12] image-from-audio-random_auxiliary-pretrained-full-s0: val 83.0 %, test 81.2 % (61.0 s)"
    assert lines[9].endswith("full-s5: FAILED, for the same reason as 5/12 (61.0 s)")
    assert lines[-1] == "study: 10 of 12 fine-tuning runs are complete, 2 failed."
    assert len(lines) == 17


def test_a_terminal_without_these_signs_gets_others() -> None:
    terminal = shown("runs", PYTHONIOENCODING="ascii")
    assert terminal.end() == 0
    assert terminal.raw.isascii()
    assert [line.split()[0] for line in terminal.screen.text.splitlines()[-3:]] == ["+", "+", "x"]


@pytest.mark.parametrize("case", ["words", "slowly"])
def test_an_interrupt_leaves_a_clean_line(case: str) -> None:
    terminal = shown(case)
    terminal.until(lambda screen: "> runs" in screen.shown or "loading the libraries" in screen.shown)
    terminal.press(b"\x03")
    assert terminal.end() == 130
    screen = terminal.screen
    assert "Traceback" not in screen.text
    assert screen.text.rstrip().endswith("stopped")
    assert (screen.rows[screen.row], screen.column, screen.hidden) == ("", 0, False)


def test_a_window_that_changes_its_size_keeps_one_picture() -> None:
    terminal = shown("slowly", 120)
    terminal.until(lambda screen: "2/12" in screen.shown)
    terminal.resize(64, 30)
    screen = terminal.until(lambda screen: "4/12" in screen.shown)
    assert [line for line in screen.shown.splitlines() if len(line) > 64] == []
    terminal.resize(100, 30)
    assert terminal.end() == 0
    lines = terminal.screen.text.splitlines()
    assert [sum(line.startswith(f"✓ {name}") for line in lines) for name in ("set up", "encoders")] == [1, 1]
    assert not any(line.startswith(">") for line in lines)


def test_more_runs_than_lines() -> None:
    terminal = shown("many", lines=12)
    screen = terminal.until(lambda screen: "more" in screen.shown)
    rows = screen.shown.splitlines()
    assert len(rows) <= 12
    running = [row for row in rows if row.startswith("    image")]
    assert rows[-1].strip() == f"and {60 - len(running)} more"
    assert screen.history == []
    terminal.press(b"\x03")
    assert terminal.end() == 130


def test_showing_progress_loads_nothing_heavy() -> None:
    code = "import sys, pipelines.__main__, pipelines.execution.display.bars\n"
    code += "print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_a_command_shows_at_once_that_it_has_begun(tmp_path: Path) -> None:
    terminal = Terminal(
        [sys.executable, "-m", "pipelines", "study", "--study", "none.yaml"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    )
    first = terminal.until(lambda screen: bool(screen.shown.strip())).shown
    assert re.search(r"^> set up +0:00\n +loading the libraries", first)
    assert terminal.end() == 2
    assert "\nm2pt: none.yaml: cannot be read" in terminal.screen.text


def test_time_left_is_what_the_known_durations_make_it() -> None:
    pace = Pace({"a": ("image full", "image"), "b": ("image fix", "image"), "c": ("audio fix", "audio")}, slots=1)
    assert pace.left(["a", "b", "c"], {}) is None  # nothing is known
    pace.learn(["image full", "image"], 10.0)
    pace.learn(["image full", "image"], 20.0)
    # a: the mean of its kind; b: that of the next; c: that of all that is known
    assert pace.left(["a", "b", "c"], {}) == pytest.approx(45.0)
    pace.ended("c", 60.0)
    assert pace.left(["c"], {"a": 5.0}) == pytest.approx(60.0 + 10.0)
    assert pace.left([], {"a": 100.0}) == 0.0  # it takes longer than expected
    pace.slots = 4
    assert pace.left(["a", "c"], {}) == pytest.approx(60.0)  # not (15 + 60) / 4: a run has one slot
    assert pace.left([], {}) == 0.0


def test_a_mean_is_that_of_all_that_was_added() -> None:
    mean = Mean(2, 3.0)
    mean.add(9.0)
    assert (mean.count, mean.mean) == (3, pytest.approx(5.0))


def test_times_in_words() -> None:
    assert [duration(seconds) for seconds in (0.9, 59.9, 60, 725, 3753)] == ["0:00", "0:59", "1:00", "12:05", "1:02:33"]
    assert [about(seconds) for seconds in (0, 7, 8, 54, 56, 89, 91, 3600, 5399, 5401, 86400)] == [
        "5 s", "5 s", "10 s", "55 s", "1 min", "1 min", "2 min", "60 min", "90 min", "1.5 h", "24 h",
    ]  # fmt: skip


def test_the_screen_of_these_tests_draws_as_a_terminal() -> None:
    screen = Screen(10, 3)
    screen.write("first\r\nsecond\r\x1b[2K\x1b[1A\x1b[2")
    screen.write("K\x1b[31mthird\x1b[0m")
    assert (screen.shown, screen.colours) == ("third\n", {"31"})
    screen.write("\r0123456789ab\r\n\r\ndown")
    assert (screen.history, screen.shown) == (["0123456789"], "ab\n\ndown")
    with pytest.raises(AssertionError, match="unknown code"):
        screen.write("\x1b]0;title\x07")
