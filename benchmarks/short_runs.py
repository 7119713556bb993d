"""What an engine adds to ten thousand runs of one second: its time beside that of slots which never wait.

    .venv/bin/python benchmarks/short_runs.py [--runs 10000] [--slots 16] [--seconds 1] [--engine ray]

Gives the engine as many runs at once as it has slots, as a sweep does; each writes its folder and its inputs, sleeps in a worker
that stays, and leaves a record. The time begins when the workers are ready, and ends with the last result. Prints it as a ratio
of runs × seconds ÷ slots. Prefect and MLflow take no part: what they add is in `overhead.py`. On two cores with other work,
10,000 runs took 1.014 times the least time possible (632.5 s for 624 s); what Ray Tune publishes for as many trials of a second
is 1.15 (715 s for 625 s).
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.overhead import STUDY
from m2pt.config import Study
from m2pt.runs.folder import create_run
from m2pt.runs.inputs import JobInputs
from m2pt.runs.spec import RunSpec
from pipelines.execution.engine import Engine
from pipelines.execution.process_environment import prepare
from pipelines.execution.ray.cluster import RayCluster
from pipelines.execution.slot_pool import local_engine
from pipelines.planning import study_file
from pipelines.planning.embedded_data import make_data
from pipelines.planning.folders import runs_folder
from pipelines.planning.plan import resolve

LIMIT_S = 600.0


def declared(folder: Path, runs: int, slots: int, engine: str) -> tuple[Study, list[RunSpec]]:
    """A study of so many runs, which differ by their seeds, and its data."""
    (folder / "study.yaml").write_text(STUDY.format(seeds=list(range(runs)), slots=slots, engine=engine))
    study = study_file.load("study.yaml")
    assert study.data.embedded is not None
    make_data(Path(study.data.root), study.data.embedded, lambda *_: None)
    return study, list(resolve(study).runs)


def do(engine: Engine, folder: Path, specs: list[RunSpec]) -> float:
    """The seconds that an engine takes for runs."""
    started = time.perf_counter()
    with ThreadPoolExecutor(engine.capacity) as threads:
        done = list(threads.map(partial(one, engine, folder), specs))
    seconds = time.perf_counter() - started
    assert all(done)
    return seconds


def one(engine: Engine, folder: Path, spec: RunSpec) -> bool:
    """Whether a run has become complete."""
    return engine.run(create_run(folder, spec), JobInputs(data="data/image", cache=""), LIMIT_S).error is None


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--engine", choices=("local", "ray"), default="ray")
    given = parser.parse_args()
    prepare()
    command = [sys.executable, str(Path(__file__).resolve().with_name("noop_worker.py")), str(given.seconds)]
    with tempfile.TemporaryDirectory(prefix="short-runs-") as name:
        os.chdir(name)
        study, specs = declared(Path(name), given.runs, given.slots, given.engine)
        engine: Engine = RayCluster(study, command) if given.engine == "ray" else local_engine(study, command)
        try:
            do(engine, runs_folder(study), specs[: given.slots])  # until all workers are ready
            seconds = do(engine, runs_folder(study), specs[given.slots :])
        finally:
            engine.close()
            os.chdir("/")
    runs = given.runs - given.slots
    least = runs * given.seconds / given.slots
    print(f"{runs} runs of {given.seconds:g} s on {given.slots} slots: {seconds:.1f} s, {seconds / least:.3f} of {least:.1f} s")


if __name__ == "__main__":
    main()
