"""A process that has imported everything and forks the commands of a test, which otherwise import for seconds each.

    python -m tests.faults.zygote

It reads one JSON line for each order and answers it by one: `start` forks a command and gives its process id, `wait` gives how
one ended. A forked command is what `python -m` makes of it: the same entry, a session of its own, its files, its signals.
"""

import json
import os
import runpy
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults import mutations
from tests.faults.boundaries import Fault, install

ROOT = Path(__file__).parents[2]
_HEARTBEAT_S, _EXPIRY_S = 0.05, 3.0
"""Of leases: a tenth of what they are. Jobs of a test are shorter than the time between two heartbeats."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal; what it said."""

    code: int
    seconds: float
    said: str


class Zygote:
    """Starts commands in the folder of a project."""

    def __init__(self, folder: Path, said: Path) -> None:
        self.folder = folder
        self._said = said
        self._count = 0
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "M2PT"))},
            "PYTHONPATH": str(ROOT),
            "MPLCONFIGDIR": str(said / "matplotlib"),
            "TORCHINDUCTOR_CACHE_DIR": str(said / "inductor"),
        }
        said.mkdir(parents=True, exist_ok=True)
        log = (said / "zygote.txt").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"], cwd=said, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def start(self, *words: str, fault: Fault | None = None, kind: str = "", **variables: str) -> tuple[int, Path, float]:
        """Start a command: the name of a module, and its arguments."""
        self._count += 1
        said = self._said / f"{self._count}.txt"
        said.touch()  # a command may be killed before it says anything
        order = {"words": words, "folder": str(self.folder), "said": str(said), "variables": variables, "kind": kind}
        answer = self._ask(order | {"fault": asdict(fault) if fault else None})
        return answer["pid"], said, time.monotonic()

    def wait(self, started: tuple[int, Path, float]) -> Ended:
        """Wait for its end."""
        pid, said, begun = started
        code = self._ask({"wait": pid})["code"]
        text = said.read_text(errors="replace")
        said.unlink()
        return Ended(code, time.monotonic() - begun, text)

    def run(self, *words: str, fault: Fault | None = None, kind: str = "", **variables: str) -> Ended:
        """Do a command to its end."""
        return self.wait(self.start(*words, fault=fault, kind=kind, **variables))

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


def _become(order: dict[str, Any]) -> None:
    """Be a command, in a forked process."""
    os.setsid()
    os.chdir(order["folder"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(old, new)
    os.environ.update(order["variables"])
    fault = order["fault"]
    if fault:
        install(Fault(**fault), order["kind"] or None)
        os.environ.update(Fault(**fault).variables())
        if fault["mutation"]:
            mutations.apply(fault["mutation"])
    module, *arguments = order["words"]
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    import atexit

    sys.stdout.flush()
    atexit._run_exitfuncs()
    os._exit(code)


def main() -> None:
    """Import, and serve orders."""
    import importlib

    for name in ("m2pt.job", "m2pt.training.finetune", "pipelines.__main__", "pipelines.reporting.rendering"):
        importlib.import_module(name)
    from pipelines.__main__ import COMMANDS

    for module, _ in COMMANDS.values():
        importlib.import_module(f"pipelines.commands.{module}")
    for name in ("pipelines.tracking.mlflow_tracker", "pipelines.tracking.mlflow_client", "m2pt.analysis.study"):
        importlib.import_module(name)
    import torch

    from m2pt.files import markers

    torch.set_num_threads(1)
    markers.HEARTBEAT_S, markers.EXPIRY_S = _HEARTBEAT_S, _EXPIRY_S
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        elif (pid := os.fork()) == 0:
            _become(order)
        else:
            answer = {"pid": pid}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
