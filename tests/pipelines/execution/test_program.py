"""Advice names the program as a shell finds it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.execution.program import as_called

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A folder with a space in its name, with an environment whose Python is this one, and the command beside it."""
    there = tmp_path / "my study/.venv/bin"
    there.mkdir(parents=True)
    (there / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (there / "m2pt").write_text("#!/bin/sh\n")
    for name in ("python", "m2pt"):
        (there / name).chmod(0o755)
    return there


@pytest.mark.parametrize(
    ("folder", "on_path", "advice"),
    [
        ("my study", False, "`.venv/bin/m2pt status` names them"),
        ("my study", True, "`m2pt status` names them"),
        (".", False, "`'my study/.venv/bin/m2pt' status` names them"),
    ],
)
def test_a_command_is_what_this_shell_can_run(
    environment: Path, monkeypatch: pytest.MonkeyPatch, folder: str, on_path: bool, advice: str
):
    monkeypatch.chdir(environment.parents[2] / folder)
    monkeypatch.setattr(sys, "executable", str(environment / "python"))
    monkeypatch.setenv("PATH", str(environment) if on_path else "/nowhere")
    assert as_called("`m2pt status` names them") == advice
    assert as_called("`m2pt` and `m2ptx run` stay") == "`m2pt` and `m2ptx run` stay"


def test_a_command_elsewhere_is_named_in_full(environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(environment / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert as_called("run `m2pt plan`") == f"run `'{environment / 'm2pt'}' plan`"


def test_the_command_line_gives_advice_that_can_be_copied(tmp_path: Path):
    (tmp_path / "own.yaml").write_text(
        "study: own\nencoders: {}\nsweep: {seeds: [0], targets: [image], auxiliaries: [], methods: [baseline],\n"
        "  settings: [scratch], target_encoder: random, auxiliary_encoder: random}\n"
    )
    command = Path(sys.executable).with_name("m2pt")
    called = shlex.quote(str(command)) if command.is_file() else "m2pt"
    variables = os.environ | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "pipelines", "search", "--study", "own.yaml"]
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith(f"declare it, or run `{called} study`.\n")
