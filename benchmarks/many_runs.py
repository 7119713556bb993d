"""What the commands take that look at a study of thousands of finished runs: processor seconds and memory.

    .venv/bin/python benchmarks/many_runs.py [--records 10000] [--commands plan status report publish] [--keep FOLDER]

Takes the data and the encoders of the default study, which must be complete in this folder (`make study`), declares as many parts
of it as it takes (each has another initial scale), writes the folders of their runs in the form that jobs leave, and calls each
command as users do. Prints the processor's seconds (user and system, as the clock counts what others do too) and the largest
memory. `--help` is measured too. On two busy cores of an AMD EPYC, 10,000 runs in 104 parts took 3.1 s and 117 MiB for `plan`,
3.1 s and 104 MiB for `status`, of which 0.5 s are imports; with torch imported and all records read anew they took 7.0 s
and 6.9 s, and 340 MiB. The first call after runs have ended reads their records.

`report` took 98 s and 1,105 MiB there in 10,000 runs, on cores that nine processes shared: 14 s of it by Prefect's server.
`publish` of 976 runs in 10 parts to a new SQLite file took 102 s with the files and models of all runs, most
of them MLflow's for the 540 points that each has.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report_size import write_runs
from m2pt.runs.folder import MERGED
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from pipelines.planning import study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import resolve

DEFAULT = Path("params.yaml")
_OF_A_PART, _COMMON = 96, 16
"""Runs of the default study that a part has of its own, and baselines that all parts share."""
_ELSEWHERE = ("--out", "report")
"""A report in a folder of one's own is not published, so that it is measured alone."""

_WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:6.2f} s  {used.ru_maxrss / 1024:5.0f} MiB  exit code {code}")
"""


def declare(folder: Path, count: int) -> None:
    """Write the study file of about `count` runs into a folder that shares this one's data and encoders."""
    parts = [
        f"  - {{name: part-{n}, set: {{pathway.scale_init: {n / 1000}}}}}" for n in range(max(1, (count - _COMMON) // _OF_A_PART))
    ]
    text = DEFAULT.read_text(encoding="utf-8").replace("study: embedded", "study: many", 1)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("parts:"))
    (folder / "many.yaml").write_text("\n".join([text, "parts:", *parts, ""]), encoding="utf-8")
    for name, place in (
        ("data", Path("data")),
        ("encoders/many", Path("encoders/embedded")),
        (".m2pt/cache", Path(".m2pt/cache")),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(place.resolve(), target_is_directory=True)


def add_weights(specs: Sequence[RunSpec], folder: Path, done: Path) -> None:
    """Give each run the weights of a run of the default study on the same target, which publishing copies and looks into."""
    weights = {target: next(done.glob(f"{target}-*/{MERGED}")).resolve() for target in {spec.target for spec in specs}}
    for spec in specs:
        (folder / run_id(spec) / MERGED).symlink_to(weights[spec.target])


def measured(folder: Path, *words: str) -> str:
    """Processor seconds and memory of one command, in words.

    A small process starts it: a child's largest memory is at least what its parent had, and this one has a plan in it.
    """
    with (folder / "output.txt").open("wb") as output:
        command = [sys.executable, "-c", _WATCH, sys.executable, "-m", "pipelines", *words]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=output, text=True, check=True)
    return done.stdout.strip()


def measure(folder: Path, count: int, commands: list[str]) -> None:
    """Make the runs, unless they lie there, and print what each command takes."""
    if not (folder / "many.yaml").is_file():
        declare(folder, count)
        here = Path.cwd()
        os.chdir(folder)
        plan = resolve(study_file.load("many.yaml"))
        write_runs(plan.runs, runs_folder(plan.study), failing=False)
        os.chdir(here)
        add_weights(plan.runs, folder / runs_folder(plan.study), here / "runs" / "embedded")
        print(f"{len(plan.runs)} runs in {len(plan.parts)} parts")
    print(f"{'--help':8}{measured(folder, '--help')}")
    for command in commands:
        if command == "publish":
            for path in folder.glob("mlflow.db*"):  # of an earlier measurement: all that is there would be published already
                path.unlink()
        further = _ELSEWHERE if command == "report" else ()
        print(f"{command:8}{measured(folder, command, '--study', 'many.yaml', *further)}", flush=True)


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--commands", nargs="+", default=["plan", "status", "report"], help="one of them may be publish")
    parser.add_argument("--keep", type=Path, help="a folder for the runs, which stay; runs that lie there are used again")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        measure(given.keep, given.records, given.commands)
        return 0
    with tempfile.TemporaryDirectory(prefix="m2pt many runs ") as name:
        measure(Path(name), given.records, given.commands)
    return 0


if __name__ == "__main__":
    sys.exit(main())
