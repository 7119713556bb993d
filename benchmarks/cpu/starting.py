"""What a user waits for before anything computes: the processor seconds of commands, and of a worker until its first order."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cpu.sizes import ROOT
from benchmarks.measuring.clock import median, quartiles
from benchmarks.measuring.fixtures import Setup
from benchmarks.measuring.parts import Row, at_most, measured

HELP_S, WORKER_S = 0.5, 3.0
_TIMES = 7


def starting(setup: Setup) -> list[Row]:
    """Each several times, in a folder with nothing but params.yaml, after a first time that compiles and fills caches."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        commands = {"help": ("pipelines", "--help"), "plan": ("pipelines", "plan"), "worker": ("m2pt.job", "--worker")}
        taken: dict[str, list[float]] = {what: [] for what in commands}
        for turn in range(1 + (2 if setup.tiny else _TIMES)):
            for what, command in commands.items():
                seconds = processor_seconds(command, folder)
                if turn:
                    taken[what].append(seconds)
    middle, apart = ({what: of(times) for what, times in taken.items()} for of in (median, quartiles))
    return [
        at_most("m2pt --help, processor time", middle["help"], HELP_S, spread=apart["help"], unit="s"),
        measured("m2pt plan of params.yaml, nothing run yet, processor time", middle["plan"], "s", apart["plan"]),
        at_most("worker until its first order, processor time", middle["worker"], WORKER_S, spread=apart["worker"], unit="s"),
    ]


def processor_seconds(command: Sequence[str], folder: Path) -> float:
    """What a module of ours takes as a command, user and system, until it ends; a worker ends where it would wait for an order.

    Raises:
        RuntimeError: it failed.

    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode or not text:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {text[-1000:]}")
    return used.ru_utime + used.ru_stime
