"""What complete studies take from nothing to a report, stage by stage, and which share of their slots' time computes.

    .venv/bin/python -m benchmarks.whole_study [FILE ...] [--repeats 1]

Does each study file (by default `params.yaml`) in an empty folder of its own, with the commands that DVC calls, and with one
server of Prefect for all of them, which starts during the first, as `make study` has; several files take turns, so that one table
compares them on the same machine in the same hour: what a change of the default study saves is shown by giving the file of before
and that of after. *Computing* is what the runs' own clocks say of training and evaluation steps, over wall time × slots; the rest
is reading Python and data, writing, waiting, Prefect and MLflow. Only embedded data.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.measuring.clock import median
from benchmarks.measuring.parts import Row, at_least, measured
from benchmarks.measuring.running import load, machine, table
from m2pt.config.study_file import load_study
from m2pt.files.documents import read_json
from m2pt.runs.folder import EXECUTION
from pipelines.commands.outage import prefect_or_none
from pipelines.execution.process_environment import prepare
from pipelines.planning.slots import slots

STAGES = ("data", "pretrain", "sweep", "report")
COMPUTING = 0.9
"""The least share of a sweep's slot seconds that is training and evaluation."""


@dataclass(frozen=True)
class Taken:
    """Wall seconds by stage, and the share of slot seconds that computed in the two stages that train."""

    seconds: dict[str, float]
    computing: dict[str, float]


def once(file: Path) -> Taken:
    """Do a study in an empty folder.

    Raises:
        RuntimeError: a stage failed.

    """
    study = load_study(file)
    count = len(slots(study.execution))
    seconds: dict[str, float] = {}
    content = file.read_bytes()
    with tempfile.TemporaryDirectory(prefix="m2pt study ") as name, chdir(name), ExitStack() as served:
        Path("params.yaml").write_bytes(content)
        _serve(served)
        for stage in STAGES:
            with _timed(seconds, file, stage):
                done = subprocess.run([sys.executable, "-m", "pipelines", stage], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{stage} of {file} ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:]}")
        computed = {"pretrain": _computed(Path("encoders")), "sweep": _computed(Path("runs"))}
    return Taken(seconds, {stage: spent / (count * seconds[stage]) for stage, spent in computed.items()})


@contextmanager
def _timed(seconds: dict[str, float], file: Path, what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start
    print(f"{file}: {what} {seconds[what]:.1f} s", file=sys.stderr, flush=True)


def _serve(served: ExitStack) -> None:
    """Start Prefect's server in the current folder, and set the variables by which the stages find it."""
    served.enter_context(patch.dict(os.environ))
    prepare()
    served.enter_context(prefect_or_none(lambda sentence: print(sentence, file=sys.stderr)))


def _computed(folder: Path) -> float:
    """Training and evaluation seconds of all runs below a folder."""
    attempts = [attempt for path in folder.rglob(EXECUTION) for attempt in read_json(path)["attempts"]]
    return sum(attempt["seconds"]["train"] + attempt["seconds"]["evaluate"] for attempt in attempts)


def rows(name: str, times: list[Taken]) -> list[Row]:
    """The table's rows of one file, medians of its repeats."""
    whole = median([sum(taken.seconds.values()) for taken in times])
    parts = ", ".join(f"{stage} {median([taken.seconds[stage] for taken in times]):.1f} s" for stage in STAGES)
    shares = {stage: median([taken.computing[stage] for taken in times]) for stage in ("pretrain", "sweep")}
    return [
        measured(f"{name}: from nothing to a report", whole, "s", said=f" ({parts})"),
        measured(f"{name}: pretraining, share of slot seconds that computes", shares["pretrain"], ""),
        at_least(f"{name}: sweep, share of slot seconds that computes", shares["sweep"], COMPUTING),
    ]


def main() -> int:
    """Measure and print a table; 1 if a sweep's slots compute less than they have to."""
    parser = argparse.ArgumentParser(prog="benchmarks.whole_study", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=[Path("params.yaml")], metavar="FILE")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    before = load()
    taken: dict[Path, list[Taken]] = {file: [] for file in options.files}
    for _ in range(options.repeats):
        for file, times in taken.items():
            times.append(once(file))
    shown = [row for file, times in taken.items() for row in rows(str(file), times)]
    parts = {"study": {"rows": [vars(row) for row in shown], "error": None}}
    print(table({"machine": machine() | {"load": f"{before} to {load()}"}, "parts": parts}))
    return int(any(row.holds is False for row in shown))


if __name__ == "__main__":
    sys.exit(main())
