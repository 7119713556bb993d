"""DVC's table of experiments, what differs between two, and its page of plots, in a copy of a project with a finished study."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.browser import Tab
from tests.pictures.canvas import draw, take, wait_for
from tests.pipelines.terminal import Terminal

_LIMIT_S = 1800.0
EXPERIMENT = ("exp", "run", "--name", "two-targets", "--set-param", "sweep.targets=[image,audio]")
"""Narrows the study, so that nothing is trained."""

_TABLE = ("exp", "show", "--no-pager", "--only-changed", "--drop", "^test|^runs|^data|.*/|.*own|.*baseline|Created|Executor")


def take_all(tab: Tab, project: Path, folder: Path) -> None:
    """The experiment that narrows the study is done if the copy has none."""
    listed = _run(project, "exp", "list", "--name-only").stdout.split()
    if "two-targets" not in listed:
        _run(project, *EXPERIMENT)
        _run(project, "exp", "apply", "two-targets")
    for name, columns, command in (("dvc-table", 130, _TABLE), ("dvc-metrics-diff", 100, ("metrics", "diff"))):
        terminal = Terminal(_command(*command), columns, 60, cwd=project, env=_variables(project))
        if terminal.end(_LIMIT_S):
            raise SystemExit(f"dvc {' '.join(command)}: failed; the terminal shows:\n{terminal.screen.text}")
        draw(tab, terminal.screen, folder, name, shlex.join(["dvc", *command]))
    _run(project, "plots", "show", "--out", str(folder / "plots"))
    tab.open((folder / "plots/index.html").as_uri(), 1440, 900)
    wait_for(tab, "document.querySelectorAll('svg path').length > 10", "plots")
    take(tab, "dvc-plots")


def _run(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(_command(*arguments), cwd=project, env=os.environ | _variables(project), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"dvc {' '.join(arguments)}: failed: {done.stderr}")
    return done


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _variables(project: Path) -> dict[str, str]:
    """The stages run the `python` of the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {"PATH": path, "DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(project / ".m2pt/dvc")}
