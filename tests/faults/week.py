"""A week in minutes: thousands of runs of a millisecond with failures, kills and an outage of MLflow, on an engine.

    python -m tests.faults.week [--runs 10000] [--engine local ray]

One try of twenty fails or kills its worker, the command itself is killed several times, and no tracking server answers. The study
is started again until it is complete. Then every run must have one result, the failures that were told must be those that were
drawn, and memory, open files and disk must not have grown with the failures.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.faults.week_worker import TRIES
from tests.faults.zygote import ROOT

SLOTS, COMMAND_KILLS, STARTS = 4, 4, 40
MOST_MIB, MOST_OPEN, MOST_KB_A_RUN = 800, 200, 24
_NOWHERE = "http://127.0.0.1:9"


def start(folder: Path) -> None:
    """One start of the study in this process; prints what it came to."""
    from pipelines.execution.process_environment import prepare
    from pipelines.execution.progress import Display
    from pipelines.execution.ray.cluster import RayCluster
    from pipelines.execution.session import Session
    from pipelines.execution.slot_pool import local_engine
    from pipelines.planning import study_file
    from pipelines.planning.plan import FINE_TUNING

    os.chdir(folder)
    prepare()
    study = study_file.load(Path("study.yaml"))
    command = [sys.executable, "-m", "tests.faults.week_worker"]
    make = partial(RayCluster if study.execution.engine == "ray" else local_engine, worker_command=command)
    most = 0
    with Session(study, Display(), make) as session:
        session.make_data()
        session.prepare(FINE_TUNING)
        todo = session.look_again().unfinished(session.plan.runs)
        session.warm()
        with ThreadPoolExecutor(session.engine.capacity) as threads:
            for number, _ in enumerate(threads.map(session.do, todo)):
                if number % 500 == 0:
                    most = max(most, len(list(Path("/proc/self/fd").iterdir())))
        outcome = session.outcome(FINE_TUNING)
        session.end_tracking(limit_s=1.0)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    told = {"complete": outcome.complete, "failed": len(outcome.failed), "mib": int(peak.split()[1]) // 1024, "open": most}
    print(json.dumps(told), flush=True)


def week(folder: Path, engine: str, runs: int, seed: int) -> dict[str, int]:
    """Start the study until it is complete; returns what was counted. Raises `AssertionError` where something is not right."""
    from benchmarks.overhead import STUDY

    text = STUDY.format(seeds=list(range(runs)), slots=SLOTS, engine=f"{engine}, other_environment: mix")  # a worker records none
    (folder / "study.yaml").write_text(text)
    draw, kills, starts, worst = random.Random(seed), 0, 0, Counter[str]()
    while starts < STARTS:
        starts += 1
        limit_s = draw.uniform(10.0, 30.0) if kills < COMMAND_KILLS else None
        code, said = _started(folder, limit_s)
        if code == -signal.SIGKILL:
            kills += 1
            continue
        assert code == 0, said[-2000:]
        told = json.loads(said.strip().splitlines()[-1])
        worst |= Counter({"mib": told["mib"], "open": told["open"]})
        if told["complete"] == runs:
            break
    else:
        raise AssertionError(f"not complete after {STARTS} starts")
    return _counted(folder, runs, kills) | {"starts": starts, "command kills": kills} | dict(worst)


def _started(folder: Path, limit_s: float | None) -> tuple[int, str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": _NOWHERE}
    command = [sys.executable, "-m", "tests.faults.week", "--start", str(folder)]
    with (folder / "said.txt").open("wb") as said, (folder / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=said, stderr=errors, stdin=subprocess.DEVNULL)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    return code, (folder / "errors.txt").read_text(errors="replace") + (folder / "said.txt").read_text(errors="replace")


def _counted(folder: Path, runs: int, kills: int) -> dict[str, int]:
    tries = [path.read_text().splitlines() for path in folder.glob(f"runs/*/*/{TRIES}")]
    drawn = Counter(what for each in tries for what in each)
    complete = len(list(folder.glob("runs/*/*/record.json")))
    assert complete == len(tries) == runs, (complete, len(tries))
    twice = sum(each.count("done") - 1 for each in tries)
    assert twice <= kills * SLOTS, (
        f"{twice} runs were done twice, though {kills} kills of the command cut off {SLOTS} each at most"
    )
    left = [path for path in folder.glob("runs/*/*/local/failure.json")]
    assert left == [], f"{len(left)} complete runs say that they failed"
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return {"runs": complete, "failures": drawn["fails"], "deaths": drawn["dies"], "cut off": twice, "KB": size // 1000}


def main() -> int:
    """Live the week on each engine, and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--engine", nargs="+", choices=("local", "ray"), default=["local", "ray"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.start:
        start(given.start)
        return 0
    for engine in given.engine:
        with tempfile.TemporaryDirectory(prefix="m2pt-week-", ignore_cleanup_errors=True) as name:
            began = time.monotonic()
            counted = week(Path(name), engine, given.runs, given.seed)
        print(f"{engine}: {counted} in {time.monotonic() - began:.0f} s", flush=True)
        assert counted["mib"] <= MOST_MIB, "memory grew"
        assert counted["open"] <= MOST_OPEN, "open files grew"
        assert counted["KB"] <= 20_000 + MOST_KB_A_RUN * given.runs, "the disk filled"
    return 0


if __name__ == "__main__":
    sys.exit(main())
