"""What the commands take that look at a study of thousands of finished runs: processor seconds and memory.

    .venv/bin/python benchmarks/many_runs.py [--records 10000] [--commands plan status report publish publish-to-server]
                                             [--keep FOLDER]

Takes the data and the encoders of the default study, which must be complete in this folder (`make study`), declares as many parts
of it as it takes (each has another initial scale), writes the folders of their runs in the form that jobs leave, and calls each
command as users do. Prints the processor's seconds (user and system, as the clock counts what others do too), the largest memory
and the clock. `--help` is measured too. On two quiet cores of an AMD EPYC, 10,000 runs in 104 parts took 1.9 s and 101 MiB for
`plan`, 2.0 s and 103 MiB for `status` (again and again 1.8 to 2.3 s: what others do on the machine slows ours down), and 70 s and
1,107 MiB for `report`. The first call after runs have ended reads their records, and takes up to 7 s.

`publish` of 976 runs in 10 parts to a new SQLite file took 102 s with the files and models of all runs, most of them MLflow's for
the 540 points that each has. `publish-to-server` sends them to MLflow's own server on the same two cores, started as
docs/how-to/team.md says: four runs at a time, with four requests a run and one for each of its five files. 1,008 runs took 116 s
on the clock, with 49 s of processor time for ours and 0.14 s a run for the server's. With MLflow's default, a database without a
write-ahead log and processes for language models beside, they took 140 s.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from benchmarks.report_size import write_runs
from m2pt.files.documents import read_json, write_json
from m2pt.files.state import file_sha256
from m2pt.runs.folder import MERGED, RECORD
from m2pt.runs.identity import run_id
from m2pt.runs.spec import RunSpec
from pipelines.planning import study_file
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import resolve
from pipelines.tracking.mlflow_client import open_database
from pipelines.tracking.mlflow_store import DATABASE, database_uri, locate

DEFAULT = Path("params.yaml")
_OF_A_PART, _COMMON = 96, 16
"""Runs of the default study that a part has of its own, and baselines that all parts share."""
_TO_SERVER = "publish-to-server"
_ELSEWHERE = ("--out", "report")
"""A report in a folder of one's own is not published, so that it is measured alone."""

_WATCH = """
import resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:6.2f} s  {used.ru_maxrss / 1024:5.0f} MiB", end="  ")
print(f"{time.perf_counter() - began:6.2f} s on the clock  exit code {code}")
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
    sha256 = {target: file_sha256(path) for target, path in weights.items()}
    for spec in specs:
        run_dir = folder / run_id(spec)
        (run_dir / MERGED).symlink_to(weights[spec.target])
        write_json(run_dir / RECORD, read_json(run_dir / RECORD) | {"files": {MERGED: sha256[spec.target]}})


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """A server of MLflow on this machine, on a store that m2pt made, with the files beside it; commands publish to it."""
    open_database(locate(database_uri(folder.resolve() / DATABASE)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    places = ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "served"]
    command = [sys.executable, "-m", "mlflow", "server", *places, "--port", str(port)]
    with (folder / "server.txt").open("wb") as output:
        quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=quiet, start_new_session=True)
    try:
        while not _answers(f"{address}/health"):
            time.sleep(0.2)
        os.environ["MLFLOW_TRACKING_URI"] = address
        yield
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def measured(folder: Path, *words: str) -> str:
    """Processor seconds and memory of one command, in words.

    A small process starts it: a child's largest memory is at least what its parent had, and this one has a plan in it.
    """
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # Python's default
    with (folder / "output.txt").open("wb") as output:
        command = [sys.executable, "-c", _WATCH, sys.executable, "-m", "pipelines", *words]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=output, text=True, check=True, env=compiled)
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
        if command.startswith("publish"):
            for path in folder.glob("mlflow.db*"):  # of an earlier measurement: all that is there would be published already
                path.unlink()
        further = _ELSEWHERE if command == "report" else ()
        with server(folder) if command == _TO_SERVER else nullcontext():
            print(f"{command:8}{measured(folder, command.partition('-')[0], '--study', 'many.yaml', *further)}", flush=True)


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
