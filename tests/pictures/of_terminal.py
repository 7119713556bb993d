"""The smallest study in terminals of 80 and 120 columns: in the middle of its runs, and at its end."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.browser import Tab
from tests.pictures.canvas import draw
from tests.pipelines.terminal import Terminal

STUDY = "studies/smoke.yaml"
_LIMIT_S = 1800.0


def take_all(tab: Tab, project: Path, folder: Path) -> None:
    """Do the study in a copy of the project's tracked files, once for each width, and keep what its terminal shows."""
    for columns in (80, 120):
        place = copy_tracked(project, folder / f"project-{columns}")
        command = [sys.executable, "-m", "pipelines", "study", "--study", STUDY]
        activated = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        terminal = Terminal(command, columns, 30, cwd=place, env=activated)
        middle = terminal.until(lambda screen: re.search(r"> runs .* [3-6]/8 ", screen.shown) is not None, _LIMIT_S)
        draw(tab, middle, folder, f"terminal-{columns}-middle", f"m2pt study --study {STUDY}")
        if code := terminal.end(_LIMIT_S):
            raise SystemExit(f"{STUDY}: ended with {code}; the terminal shows:\n{terminal.screen.text}")
        draw(tab, terminal.screen, folder, f"terminal-{columns}-end", f"m2pt study --study {STUDY}")


def copy_tracked(project: Path, place: Path) -> Path:
    """A copy of the files that git tracks, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (project / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, place / name)
    return place
