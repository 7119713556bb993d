"""What `make setup` shows while it installs packages: the real pip, with two small packages of the test's own."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pipelines.terminal import Terminal
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """pip finds two packages in a folder, and puts them into another one."""
    for name in ("tiny_a", "tiny_b"):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    given = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_TARGET": str(tmp_path / "there"), "PYTHONPATH": str(ROOT)}
    return kept | given


def command(folder: Path, *packages: str) -> list[str]:
    (folder / "some.lock").write_text("# of the test, not pkg==1\n" + "".join(f"{name}==1.0\n" for name in packages))
    return [sys.executable, "-m", "pipelines.execution.install", "some.lock", "install.log"]


def test_without_a_terminal_each_step_is_a_line_with_the_time(tmp_path: Path, variables: dict[str, str]):
    words = command(tmp_path, "tiny_a", "tiny_b")
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *_, last = done.stdout.splitlines()
    assert first == "Installing 2 packages, once: about a minute, several on a slow network."
    assert second.startswith("Getting packages 0/2  0:0")
    assert last.startswith("2 packages are installed (")
    assert not any(word in done.stdout for word in ("Collecting", "Looking in", "Processing"))  # pip's own words
    assert "Successfully installed tiny_a-1.0 tiny_b-1.0" in (tmp_path / "install.log").read_text()
    assert (tmp_path / "there/tiny_b.py").is_file()


def test_in_a_terminal_one_line_is_written_over(tmp_path: Path, variables: dict[str, str]):
    terminal = Terminal(command(tmp_path, "tiny_a", "tiny_b"), cwd=tmp_path, env=variables)
    terminal.until(lambda screen: "Getting packages" in screen.shown, PATIENCE_S)
    assert terminal.end(PATIENCE_S) == 0
    first, last = (line for line in terminal.screen.text.splitlines() if line)
    assert first.startswith("Installing 2 packages")
    assert last.startswith("2 packages are installed (")


def test_an_error_of_pip_is_shown(tmp_path: Path, variables: dict[str, str]):
    words = command(tmp_path, "tiny_a", "tiny_c")
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ERROR: No matching distribution found for tiny_c==1.0" in done.stderr.splitlines()
    assert done.stdout.endswith("The packages could not be installed; install.log has all that pip said.\n")
